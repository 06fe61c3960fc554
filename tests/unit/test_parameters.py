"""What is trained, and how: frozen parts, weight decay, learning rates by layer."""

from pathlib import Path

import pytest
from tests.unit.test_model import hf, of_family, tiny

from sweep.errors import InputError
from sweep.model.encoder import Encoder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.parameters import parameter_groups


def rates(encoder: Encoder, *overrides: str) -> dict[str, tuple[float, float] | None]:
    """Learning rate and weight decay by parameter; None for a frozen one."""
    settings = load_settings(Composer("sweep", ["train.learning_rate=0.1", "train.weight_decay=0.5", *overrides]))
    groups = parameter_groups(encoder, settings.train)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    named = dict(encoder.named_parameters())
    assert {name for name, p in named.items() if p.requires_grad} == {n for n, p in named.items() if id(p) in found}
    return {name: found.get(id(parameter)) for name, parameter in named.items()}


def test_biases_and_normalisation_are_not_decayed(cache: Path) -> None:
    for name, found in rates(tiny(cache).encoder).items():
        decayed = name.endswith("weight") and "LayerNorm" not in name
        assert found == (0.1, 0.5 if decayed else 0.0), name


@pytest.mark.parametrize("family", ["xlmr", "labse", "modernbert"])
def test_rates_fall_from_the_top_layer_down(family: str, cache: Path, tmp_path: Path) -> None:
    of_family(family, tmp_path, cache)
    encoder = hf(tmp_path, cache, pooling="pooler" if family == "labse" else "mean").encoder
    for name, found in rates(encoder, "train.layer_decay=0.5").items():
        depth = 2 if "embeddings" in name else 1 if ".0." in name else 0
        assert found is not None
        assert found[0] == pytest.approx(0.1 * 0.5**depth), name


@pytest.mark.parametrize("family", ["xlmr", "modernbert"])
def test_frozen_parts_take_no_gradients(family: str, cache: Path, tmp_path: Path) -> None:
    of_family(family, tmp_path, cache)
    found = rates(hf(tmp_path, cache).encoder, "train.frozen={embeddings: true, layers: 1}")
    assert {name for name, rate in found.items() if rate is None} == {
        name for name in found if "embeddings" in name or ".0." in name
    }
    with pytest.raises(InputError, match=r"train\.frozen\.layers=3: the encoder has 2 layers"):
        rates(hf(tmp_path, cache).encoder, "train.frozen.layers=3")
