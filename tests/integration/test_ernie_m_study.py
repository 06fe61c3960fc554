"""A study of an ERNIE-M from its published files, from the command line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import Sweep
from tests.published_ernie_m import published_ernie_m, random_weights

from sweep.settings.overrides import assignment

SMALL = (
    "study.name=ernie", "languages=cldr_6", "model.path=published", "model.max_query_tokens=32",
    "model.max_passage_tokens=32", "model.restrict_vocabulary=true", "train.steps=3", "train.warmup_steps=1",
    "train.batch_size=8", "train.learning_rate=1e-3", "data.records={high: 60, mid: 30, low: 20}",
    "evaluation.records=12", "launcher.workers=1", "launcher.threads=1", "study.export=all", "study.seeds=[0]",
    "study.space={ratio.monolingual: {grid: [0.5]}}",
)  # fmt: skip


@pytest.mark.slow
def test_a_study_of_ernie_m(sweep: Sweep, tmp_path: Path, shared_mlflow: str) -> None:
    """It trains, exports, and is resumed, also under its other name; what was exported gives the study's figures."""
    published_ernie_m(tmp_path / "published")
    done = sweep(*SMALL, "model=ernie_m_base", shared_mlflow)
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = (tmp_path / "sweeps" / "ernie" / "trials").iterdir()
    weights = load_file(trial / "model" / "model.safetensors")
    before = random_weights()
    name = "encoder.layers.0.linear1.weight"
    assert not torch.equal(weights["encoder.layer.0.intermediate.dense.weight"], before[name])
    assert weights["embeddings.word_embeddings.weight"].shape == before["embeddings.word_embeddings.weight"].shape
    assert not weights["embeddings.token_type_embeddings.weight"].any()
    same = ("model.pooling=mean", 'model.query_prefix=""', 'model.passage_prefix=""', "model.pretrained_on=null")
    again = sweep(*SMALL, "model=hf", *same, shared_mlflow)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 of 1 trials are done" in again.stdout
    other = sweep(*SMALL, "model=ernie_m_base", "model.pooling=cls", shared_mlflow)
    assert other.returncode == 2
    assert "model.pooling: 'mean' in the study, 'cls' now" in other.stderr
    scored = sweep(
        "model=hf", assignment("model.path", str(trial / "model")), "evaluation=cldr", "evaluation.records=12",
        "languages=cldr_6", "model.max_query_tokens=32", "model.max_passage_tokens=32", "threads=1",
        "output=again.json", module="sweep.evaluate",
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    figures, expected = (json.loads(file.read_text()) for file in (tmp_path / "again.json", trial / "metrics.json"))
    assert figures["cldr/pooled/map"] == pytest.approx(expected["cldr/pooled/map"], abs=1e-6)


def test_weights_that_are_not_there_end_the_command(sweep: Sweep, tmp_path: Path) -> None:
    """Whoever evaluates it gets one line."""
    (published_ernie_m(tmp_path / "published") / "pytorch_model.bin").unlink()
    done = sweep(
        "model=ernie_m_base", "model.path=published", "evaluation=cldr", "languages=cldr_6", module="sweep.evaluate"
    )
    assert done.returncode == 2
    assert "model.path=published: it has no model.safetensors or pytorch_model.bin" in done.stderr
