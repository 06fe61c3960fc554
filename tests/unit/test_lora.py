"""LoRA: adapters alone are trained and kept in checkpoints; merged, the encoder is a plain one again."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from tests.unit.test_model import embed, hf, of_family
from tests.unit.test_vocabulary import ROWS, token_ids

from sweep.data.training_set import training_set
from sweep.errors import InputError
from sweep.model.encoder import Retriever
from sweep.model.export import export
from sweep.model.lora import Adapters
from sweep.model.token_cache import TokenCache
from sweep.model.vocabulary import restrict_vocabulary, with_full_vocabulary
from sweep.settings import LoraSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.checkpoint import Checkpoints
from sweep.training.loop import Training
from sweep.training.losses.info_nce import InfoNce
from sweep.training.parameters import parameter_groups
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable
from sweep.training.watch import TrainingPoint, Watch

FAMILIES = ("xlmr", "labse", "modernbert")
TEXTS = ["moss 3", "cats and moss 12", "dogs"]
OVERRIDES = (
    "train.steps=6", "train.warmup_steps=0", "train.batch_size=8", "train.learning_rate=0.02", "train.log_every=1",
    "train.checkpoint_steps=2",
)  # fmt: skip


def lora(**changes: Any) -> LoraSettings:
    fields = {"rank": 2, "alpha": 4, "dropout": 0.1, "target_modules": None}
    return LoraSettings.model_validate(fields | changes)


def retriever_of(family: str, folder: Path, cache: Path) -> Retriever:
    if not folder.exists():
        of_family(family, folder, cache)
    return hf(folder, cache, pooling="pooler" if family == "labse" else "mean")


def train(
    retriever: Retriever, cache: Path, *overrides: str, folder: Path | None = None, stop: int | None = None
) -> list[float]:
    """Losses of the steps."""
    settings = load_settings(Composer("sweep", [*OVERRIDES, *overrides])).train
    data = training_set(ROWS, ("en", "de"))
    accelerator = Accelerator(cpu=True)
    ratio = load_settings(Composer("sweep", [])).ratio
    if settings.recompute_activations:
        retriever.encoder.backbone.gradient_checkpointing_enable()
    torch.manual_seed(0)
    step = ContrastiveStep(
        retriever,
        TokenTable(retriever, data, TokenCache(retriever, cache / "tokens")),
        settings,
        accelerator,
        InfoNce(settings.temperature),
    )
    checkpoints = None if folder is None else Checkpoints(folder, "lora", accelerator)
    plan = BatchPlan(data, ratio, settings.batch_size, 0, settings.steps)
    losses: list[float] = []

    def note(point: TrainingPoint) -> None:
        losses.append(point.loss)
        if point.step == stop:
            raise InterruptedError

    try:
        Training(step, retriever.encoder, plan, settings, accelerator, checkpoints).run(Watch(on_point=note))
    except InterruptedError:
        assert stop is not None
    return losses


def weights(retriever: Retriever) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in retriever.encoder.state_dict().items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_begin_without_effect_and_alone_are_trained(family: str, cache: Path, tmp_path: Path) -> None:
    retriever = retriever_of(family, tmp_path / "model", cache)
    before = embed(retriever, TEXTS)
    adapters = Adapters(retriever, lora(), seed=0)
    assert torch.equal(embed(retriever, TEXTS), before)
    first = weights(retriever)
    losses = train(retriever, cache, "train.steps=40", "train.learning_rate=0.005")
    if family == "modernbert":  # random post-norm encoders hardly tell texts apart with their embeddings frozen
        assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    changed = {name for name, tensor in weights(retriever).items() if not torch.equal(tensor, first[name])}
    assert changed == {name for name in first if "lora_" in name}
    trained = sum(p.numel() for p in retriever.encoder.parameters() if p.requires_grad)
    assert adapters.trained == trained < adapters.full_size
    assert not torch.allclose(embed(retriever, TEXTS), before, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_merged_and_exported_model_needs_no_peft(
    family: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    retriever = retriever_of(family, tmp_path / "model", cache)
    plain = set(weights(retriever))
    adapters = Adapters(retriever, lora(), seed=0)
    train(retriever, cache)
    trained = embed(retriever, TEXTS)
    adapters.merge()
    merged = embed(retriever, TEXTS)
    torch.testing.assert_close(merged, trained, atol=1e-5, rtol=1e-4)
    assert set(weights(retriever)) == plain
    export(retriever, tmp_path / "out", "")
    again = hf(tmp_path / "out", cache, pooling=retriever.settings.pooling)
    assert torch.equal(embed(again, TEXTS), merged)
    for name, tensor in weights(retriever).items():
        assert torch.equal(weights(again)[name], tensor)
    for name in [name for name in sys.modules if name.split(".")[0] == "peft"]:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(ImportError):
        importlib.import_module("peft")
    AutoModel.from_pretrained(tmp_path / "out")
    loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    torch.testing.assert_close(torch.from_numpy(loaded.encode_query(TEXTS)), merged, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("family", ["xlmr", "mbert"])
def test_a_training_goes_on_with_the_same_bits(family: str, cache: Path, tmp_path: Path) -> None:
    whole = retriever_of(family, tmp_path / "model", cache)
    Adapters(whole, lora(), seed=0)
    expected = train(whole, cache)
    for stop in (4, None):
        cut = retriever_of(family, tmp_path / "model", cache)
        Adapters(cut, lora(), seed=0)
        found = train(cut, cache, folder=tmp_path / "checkpoint", stop=stop)
    assert found == expected[2:]  # the checkpoint of step 4 comes after its point
    for name, tensor in weights(whole).items():
        assert torch.equal(weights(cut)[name], tensor), name
    kept = load_file(tmp_path / "checkpoint" / "step-00000006.1" / "model.safetensors")
    assert kept
    assert all("lora_" in name for name in kept)


def test_the_seed_draws_the_adapters(cache: Path, tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 0, 1):
        retriever = retriever_of("xlmr", tmp_path / "model", cache)
        state = torch.get_rng_state()
        Adapters(retriever, lora(), seed)
        assert torch.equal(torch.get_rng_state(), state)
        drawn.append(torch.cat([t.ravel() for name, t in weights(retriever).items() if "lora_A" in name]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("family", ["xlmr", "mbert"])
def test_recomputed_activations_change_nothing(family: str, cache: Path, tmp_path: Path) -> None:
    """Gradients reach the adapters of the lowest layer though nothing below them is trained."""
    found = []
    for option in ("false", "true"):
        retriever = retriever_of(family, tmp_path / "model", cache)
        Adapters(retriever, lora(), seed=0)
        first = weights(retriever)
        losses = train(retriever, cache, f"train.recompute_activations={option}")
        now = weights(retriever)
        lowest = [name for name in first if ".layer.0." in name and "lora_" in name]
        assert lowest
        assert not any(torch.equal(first[name], now[name]) for name in lowest)
        found.append((losses, torch.cat([tensor.ravel() for name, tensor in now.items() if "lora_" in name])))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("family", ["xlmr", "mbert"])
def test_with_a_restricted_vocabulary_training_is_the_same(family: str, cache: Path, tmp_path: Path) -> None:
    full, small = (retriever_of(family, tmp_path / "model", cache) for _ in range(2))
    original = full.encoder.backbone.get_input_embeddings().weight.detach().clone()
    small = restrict_vocabulary(small, token_ids(small))
    adapters = [Adapters(retriever, lora(), seed=0) for retriever in (full, small)]
    assert adapters[1].full_size < adapters[0].full_size
    assert adapters[1].trained == adapters[0].trained
    assert train(small, cache) == pytest.approx(train(full, cache), rel=1e-5)
    for one in adapters:
        one.merge()
    again = with_full_vocabulary(small, original)
    assert torch.equal(again.encoder.backbone.get_input_embeddings().weight, original)
    torch.testing.assert_close(embed(again, TEXTS), embed(full, TEXTS), atol=1e-5, rtol=1e-3)


def test_rates_fall_from_the_top_layer_down_and_frozen_layers_have_no_adapters(cache: Path, tmp_path: Path) -> None:
    retriever = retriever_of("xlmr", tmp_path / "model", cache)
    Adapters(retriever, lora(), seed=0)
    settings = load_settings(Composer("sweep", ["train.learning_rate=0.1", "train.layer_decay=0.5"])).train
    found = {id(p): group["lr"] for group in parameter_groups(retriever.encoder, settings) for p in group["params"]}
    named = {name: p for name, p in retriever.encoder.named_parameters() if p.requires_grad}
    assert len(named) == len(found)
    for name, parameter in named.items():
        assert found[id(parameter)] == pytest.approx(0.1 * 0.5 ** (".layer.0." in name)), name
    frozen = load_settings(Composer("sweep", ["train.frozen.layers=1"])).train
    parameter_groups(retriever.encoder, frozen)
    trained = [name for name, p in retriever.encoder.named_parameters() if p.requires_grad]
    assert trained
    assert all(".layer.1." in name and "lora_" in name for name in trained)


def test_target_modules_can_be_named(cache: Path, tmp_path: Path) -> None:
    retriever = retriever_of("xlmr", tmp_path / "model", cache)
    Adapters(retriever, lora(target_modules=("query", "value")), seed=0)
    adapted = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in weights(retriever) if "lora_" in name}
    assert adapted == {"query", "value"}
    with pytest.raises(InputError, match=r"model\.lora\.target_modules: .*\[no_such\]"):
        Adapters(retriever_of("xlmr", tmp_path / "model", cache), lora(target_modules=("no_such",)), seed=0)


def test_without_peft_it_is_one_message(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_family("xlmr", tmp_path, cache)
    find = importlib.util.find_spec
    monkeypatch.setattr("sweep.model.lora.find_spec", lambda name: None if name == "peft" else find(name))
    with pytest.raises(InputError, match=r"pip install 'multilingual-ratio-sweep\[peft\]'"):
        hf(tmp_path, cache, lora=lora().model_dump())
    hf(tmp_path, cache)
