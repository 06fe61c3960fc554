"""What is trained, and how: frozen parts, weight decay, learning rates by layer, and the optimizer."""

from pathlib import Path

import pytest
import torch
from tests.unit.test_model import hf, of_family, tiny

from sweep.errors import InputError
from sweep.model.encoder import Encoder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.parameters import make_optimizer, parameter_groups


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


def updated(cache: Path, *overrides: str) -> list[torch.Tensor]:
    """The weights after three steps of the optimizer on gradients that are the same in every call."""
    encoder = tiny(cache).encoder
    optimizer = make_optimizer(encoder, load_settings(Composer("sweep", list(overrides))).train)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for parameter in encoder.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return [parameter.detach() for parameter in encoder.parameters()]


def test_the_fused_optimizer_differs_by_rounding_alone(cache: Path) -> None:
    plain = updated(cache, "train.fused_optimizer=false")
    fused = updated(cache, "train.fused_optimizer=true")
    for one, other in zip(plain, fused, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert all(map(torch.equal, fused, updated(cache, "train.fused_optimizer=true")))
    undecayed = updated(cache, "train.fused_optimizer=true", "train.weight_decay=0.0")
    assert any(
        not torch.allclose(one, other, rtol=1e-5, atol=1e-6) for one, other in zip(plain, undecayed, strict=True)
    )


def test_a_pretrained_encoder_has_the_fused_optimizer_and_one_from_scratch_has_not(cache: Path) -> None:
    for choice, fused in (("finetune", True), ("tiny", None)):
        settings = load_settings(Composer("sweep", [f"train={choice}"])).train
        assert make_optimizer(tiny(cache).encoder, settings).defaults["fused"] is fused
