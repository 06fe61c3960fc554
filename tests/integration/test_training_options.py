"""A real study with adapters, a restricted vocabulary, hard negatives, a merge and two ranks, from data to export."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import Sweep
from tests.unit.test_model import of_family

pytestmark = pytest.mark.slow


def corpus(folder: Path) -> None:
    """Questions on one sentence each, with negatives in the question's language."""
    folder.mkdir()
    for code, word in (("en", "fern"), ("de", "farn")):
        paragraphs = []
        for number in range(12):
            question = {
                "id": f"q{number}",
                "question": f"what of {word} {number}?",
                "answers": [{"answer_start": 0}],
                "negatives": [f"{word} {number} and no moss", f"cats {word} {(number + 1) % 12}"],
            }
            context = f"cats {word} {number}"
            paragraphs.append({"context": context, "sentence_breaks": [[0, len(context)]], "qas": [question]})
        (folder / f"{code}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))


def test_all_of_them_together(sweep: Sweep, tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    from sentence_transformers import SentenceTransformer

    of_family("xlmr", tmp_path / "model", cache)
    corpus(tmp_path / "data")
    done = sweep(
        "study.name=options", "train=finetune", "train.steps=4", "train.warmup_steps=0",
        "train.batch_size=6", "train.learning_rate=0.01", "train.hard_negatives=2", "data=mlqa_r", "data.path=data",
        "languages=cldr_6", "languages.train=[en,de]", "languages.evaluate=[en,de,sw]", "evaluation.records=12",
        "model=xlmr", "model.path=model",
        "model.lora={rank: 2, alpha: 4, dropout: 0.1, target_modules: [query, value]}",
        "model.restrict_vocabulary=true", "model.max_passage_tokens=12", "train.recompute_activations=true",
        "launcher.workers=1", "launcher.threads=1", "launcher.processes=2",
        "study.space={ratio.mix: {grid: [batches, merge]}, ratio.monolingual: {grid: [0.0, 0.25, 1.0]}}",
        "study.seeds=[0]", "study.export=all", "study.baselines=[]", f"study.artifacts=file://{tmp_path}/place",
        shared_mlflow,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "sweeps" / "options" / "trials"
    trained_trials = [folder / f"ratio.mix=batches,ratio.monolingual={ratio},seed=0" for ratio in ("0", "0.25", "1")]
    logs = [(trial / "log.txt").read_text() for trial in trained_trials]
    for log in logs:
        assert "training adapters of" in log
        assert "word embeddings" in log
        assert "distinct training passage texts are longer than model.max_passage_tokens and were cut" in log
    assert "tokenised" not in logs[1]  # the first trial did, for all
    assert "tokenised" not in logs[2]
    trained = load_file(trained_trials[2] / "model" / "model.safetensors")
    original = load_file(tmp_path / "model" / "model.safetensors")
    changed = {name for name, tensor in trained.items() if not torch.equal(tensor, original[name])}
    assert {name.split(".")[-2] for name in changed} == {"query", "value"}
    embedded = SentenceTransformer(str(trained_trials[2] / "model"), device="cpu").encode(["cats"])
    assert embedded.shape == (1, 16)
    other = load_file(trained_trials[0] / "model" / "model.safetensors")
    merged = load_file(folder / "ratio.mix=merge,ratio.monolingual=0.25,seed=0" / "model" / "model.safetensors")
    for name, weight in merged.items():
        average = (0.25 * trained[name].double() + 0.75 * other[name].double()).float()
        assert torch.equal(weight, average), name
    assert not list(folder.glob("*/weights"))
    assert not list(folder.glob("*/borrowed"))
    assert not list(tmp_path.glob("place/**/weights/*.tar"))
