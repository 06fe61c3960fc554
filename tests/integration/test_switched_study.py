"""Losses and mixes as dimensions of a search, on the command line and on two ranks."""

import csv
import json
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.unit.test_code_switch import ready

from sweep.training.watch import Watch

pytestmark = pytest.mark.slow

SHAPE = (
    "languages=cldr_6", "train.steps=6", "train.warmup_steps=1", "train.batch_size=16", "train.log_every=1",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "model.vocabulary_size=800",
    "model.dropout=0.0", "loss=debias", "ratio.code_switch.texts=both",
)  # fmt: skip


def test_each_is_a_dimension_and_ranks_agree(sweep: Sweep, tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    space = {
        "ratio.code_switch.probability": "{grid: [0.0, 0.5]}",
        "loss.weight": "{grid: [4.0]}",
        "loss.temperatures.cross_lingual": "{grid: [0.2]}",
        "loss.weights.monolingual": "{grid: [2.0]}",
    }
    listed = ", ".join(f"{path}: {values}" for path, values in space.items())
    command = (
        *SHAPE, "study.name=objectives", f"study.space={{{listed}}}", "study.seeds=[0]", "study.baselines=[]",
        "launcher.workers=1", "launcher.threads=1", "launcher.processes=2", shared_mlflow,
    )  # fmt: skip
    done = sweep(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "sweeps" / "objectives"
    losses: dict[tuple[float, float], list[float]] = {}
    for trial in (folder / "trials").iterdir():
        config = json.loads((trial / "result.json").read_text())["exposure"]
        rows = list(csv.DictReader((trial / "losses.csv").open()))
        point = dict(part.split("=") for part in trial.name.split(","))
        probability, weight = float(point["ratio.code_switch.probability"]), float(point["loss.weight"])
        losses[probability, weight] = [float(row["loss"]) for row in rows]
        assert ("switched_words" in config) == (probability > 0)
    assert len(losses) == len({tuple(one) for one in losses.values()}) == 2
    roles = [one["role"] for one in json.loads((folder / "data.json").read_text())["data"]]
    assert roles == ["training", "evaluation", "lexicon"]
    for (probability, weight), of_two in losses.items():
        own = (f"ratio.code_switch.probability={probability}", f"loss.weight={weight}")
        fixed = ("loss.temperatures.cross_lingual=0.2", "loss.weights.monolingual=2.0")
        training, _ = ready(cache, *SHAPE, *own, *fixed)
        of_one: list[float] = []
        training.run(Watch(on_point=lambda point, into=of_one: into.append(point.loss)))  # type: ignore[misc]
        assert of_two == pytest.approx(of_one, rel=2e-3)
