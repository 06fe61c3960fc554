"""Python code that comes with a model: it runs where it is allowed, and nobody is asked."""

import subprocess
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.unit.test_foreign_models import with_code

LENGTHS = ("model.max_query_tokens=16", "model.max_passage_tokens=16")


def run(sweep: Sweep, command: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A command that has a use for the model."""
    if command == "evaluate":
        asked = ("evaluation=cldr", "evaluation.records=12", "languages=cldr_6")
        return sweep(*asked, "model=hf", f"model.path={folder}", *LENGTHS, *more, module="sweep.evaluate")
    return sweep(
        "study.name=own", "languages=cldr_6", "evaluation.records=12", "data.records={high: 20, mid: 10, low: 10}",
        "train.steps=2", "train.warmup_steps=0", "train.batch_size=4", "study.seeds=[0]", "launcher.workers=1",
        "launcher.threads=1", "study.space={ratio.monolingual: {grid: [0.5]}}", "study.baselines=[untouched]",
        "model=hf", f"model.path={folder}", *LENGTHS, *more,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["own", "bert"])  # the second is one of transformers, too
@pytest.mark.parametrize("command", ["study", "evaluate"])
def test_code_of_a_model_runs_only_if_it_is_allowed(
    kind: str, command: str, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "yes")  # as `yes |` does
    folder = with_code(tmp_path / "model", tmp_path / "ran", kind)
    done = run(sweep, command, folder)
    assert done.returncode == 2
    assert f"error: model.path={folder}" in done.stderr
    assert "model.trust_remote_code=true" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_code_that_is_allowed_runs_in_workers(sweep: Sweep, tmp_path: Path, shared_mlflow: str) -> None:
    """And what is exported has it, too."""
    folder = with_code(tmp_path / "model", tmp_path / "ran")
    allowed = "model.trust_remote_code=true"
    done = run(sweep, "study", folder, allowed, "study.export=all", "study.baselines=[]", shared_mlflow)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ran").exists()
    (exported,) = (tmp_path / "sweeps" / "own" / "trials").glob("*/model")
    exported = exported.rename(tmp_path / "exported")
    assert run(sweep, "evaluate", exported).returncode == 2
    (tmp_path / "ran").unlink()
    assert run(sweep, "evaluate", exported, allowed).returncode == 0
    assert (tmp_path / "ran").exists()
