"""Models whose folders have files of sentence-transformers, from the command line."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tests.conftest import Sweep
from tests.unit.test_model import of_family

from sweep.settings.overrides import assignment

PROMPTS = {"query": "ask ", "document": "say "}
SMALL = (
    "study.name=tiny", "languages=cldr_6", "model=hf", "model.path=model", "model.max_query_tokens=32",
    "model.max_passage_tokens=32", "train.steps=3", "train.warmup_steps=1", "train.batch_size=8",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "launcher.workers=1", "launcher.threads=1",
    "study.export=all", "study.seeds=[0]", "study.space={ratio.monolingual: {grid: [0.5]}}", "study.baselines=[]",
)  # fmt: skip


@pytest.fixture
def model(tmp_path: Path, cache: Path) -> Path:
    """A small one with prompts, and a dense layer behind its pooling."""
    of_family("xlmr", tmp_path / "plain", cache)
    torch.manual_seed(0)
    encoder = modules.Transformer(str(tmp_path / "plain"), max_seq_length=32)
    layers = [modules.Pooling(16, "cls"), modules.Dense(16, 8), modules.Normalize()]
    whole = SentenceTransformer(modules=[encoder, *layers], device="cpu", prompts=PROMPTS)
    whole.save(str(tmp_path / "model"), create_model_card=False)
    return tmp_path / "model"


def test_a_study_trains_and_exports_what_the_folder_says(
    sweep: Sweep, model: Path, tmp_path: Path, shared_mlflow: str
) -> None:
    done = sweep(*SMALL, shared_mlflow)
    assert done.returncode == 0, done.stdout + done.stderr
    line = (
        "Model model: pooling cls (its folder), then Dense 16 to 8 with Tanh (its folder), "
        "query prefix 'ask ' (its folder), passage prefix 'say ' (its folder)"
    )
    assert done.stdout.count(line) == 1
    assert "warning" not in done.stdout
    (trial,) = (tmp_path / "sweeps" / "tiny" / "trials").iterdir()
    settings = yaml.safe_load((trial / "config.yaml").read_text())["model"]
    read = {"pooling": "cls", "head": "folder", "query_prefix": "ask ", "passage_prefix": "say ", "lower_case": False}
    assert {name: settings[name] for name in read} == read
    before, after = (load_file(folder / "2_Dense" / "model.safetensors") for folder in (model, trial / "model"))
    assert before.keys() == after.keys()
    assert not any(torch.equal(before[name], after[name]) for name in before)
    assert SentenceTransformer(str(trial / "model"), device="cpu").encode_query(["cats"]).shape == (1, 8)
    # What was read names the study: it may be said, too.
    given = ("model.pooling=cls", "model.head=folder", "model.query_prefix='ask '", "model.passage_prefix='say '")
    again = sweep(*SMALL, *given, shared_mlflow)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Resuming study 'tiny': 1 of 1 trials are done." in again.stdout
    other = sweep(*SMALL, "model.pooling=mean", shared_mlflow)
    assert other.returncode == 2
    assert "model.pooling: 'cls' in the study, 'mean' now" in other.stderr
    # The export says the same of itself.
    scored = sweep(
        "model=hf", assignment("model.path", str(trial / "model")), "evaluation=cldr", "evaluation.records=12",
        "languages=cldr_6", "model.max_query_tokens=32", "model.max_passage_tokens=32", "threads=1",
        "output=again.json", module="sweep.evaluate",
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    assert "then Dense 16 to 8 with Tanh (its folder)" in scored.stdout
    figures, expected = (json.loads(file.read_text()) for file in (tmp_path / "again.json", trial / "metrics.json"))
    assert figures["cldr/pooled/map"] == pytest.approx(expected["cldr/pooled/map"], abs=1e-6)


def test_what_cannot_be_represented_is_refused_before_any_worker_starts(
    sweep: Sweep, model: Path, tmp_path: Path
) -> None:
    names = json.loads((model / "modules.json").read_text())
    names[2]["type"] = "sentence_transformers.sentence_transformer.modules.LSTM"
    (model / "modules.json").write_text(json.dumps(names))
    line = (
        "error: model.path=model: it has a module LSTM behind its pooling, which cannot be read as model.head=auto; "
        "set model.head=none to leave it out\n"
    )
    study = sweep(*SMALL)
    assert (study.returncode, study.stderr) == (2, line)
    assert not (tmp_path / "sweeps").exists()
    scored = sweep("model=hf", "model.path=model", "evaluation=cldr", "languages=cldr_6", module="sweep.evaluate")
    assert (scored.returncode, scored.stderr) == (2, line)
    searched = sweep(
        *SMALL, "model.path=plain", "study.space={model.path: {grid: [plain, model]}}", "model.pooling=mean"
    )
    assert (searched.returncode, searched.stderr) == (2, line)
