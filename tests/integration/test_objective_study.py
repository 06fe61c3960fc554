"""Studies of losses that need more than a batch's questions and passages, as a user runs them."""

import json
from pathlib import Path

import pytest
import yaml
from tests.conftest import Sweep
from tests.integration.commands import TINY
from tests.integration.test_sharded_trial import run
from tests.unit.test_accelerate_config import FSDP, SHARDS

pytestmark = pytest.mark.slow


def test_a_study_searches_the_weight_of_a_loss_and_the_losses(
    sweep: Sweep, tmp_path: Path, shared_mlflow: str
) -> None:
    study = (*TINY, "loss=translation", "study.space={loss.weight: {grid: [0, 0.5]}}", shared_mlflow)
    done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = tmp_path / "sweeps" / "tiny" / "trials"
    without, further = (trials / f"loss.weight={weight},seed=0" for weight in ("0", "0.5"))
    loss = yaml.safe_load((further / "config.yaml").read_text())["loss"]
    assert (loss["kind"], loss["weight"]) == ("translation", 0.5)
    results = [json.loads((folder / "result.json").read_text()) for folder in (without, further)]
    assert results[0]["fingerprint"] != results[1]["fingerprint"]
    assert results[0]["exposure"]["rows"] == results[1]["exposure"]["rows"]
    assert results[0]["exposure"]["tokens"] < results[1]["exposure"]["tokens"]
    assert "translation groups have translations" in (further / "log.txt").read_text()

    losses = (*TINY, "study.space={loss: {grid: [info_nce, distill]}}", "study.name=losses", shared_mlflow)
    done = sweep(*losses)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = tmp_path / "sweeps" / "losses" / "trials"
    kinds = {yaml.safe_load(file.read_text())["loss"]["kind"] for file in trials.glob("*/config.yaml")}
    assert kinds == {"info_nce", "distill"}
    # InfoNCE and a weight of 0 are the same training.
    alone = next(folder for folder in trials.iterdir() if "info_nce" in folder.name)
    assert json.loads((alone / "metrics.json").read_text()) == json.loads((without / "metrics.json").read_text())


def test_data_without_translations_are_refused_before_any_trial(
    sweep: Sweep, tmp_path: Path, shared_mlflow: str
) -> None:
    lines = [
        {"group": f"g{n}", "language": ("en", "de")[n % 2], "question": f"q {n}", "passage": f"p {n}"}
        for n in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = sweep(
        "study.name=tiny", "languages=cldr_6", "data=rows", "data.path=rows.jsonl", "languages.train=[en,de]",
        "ratio.monolingual=1.0", "evaluation.records=12", "loss=clear", shared_mlflow,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no translation group of the training data has its question in two languages" in done.stdout + done.stderr
    assert not list((tmp_path / "sweeps").glob("tiny/trials/*"))


def test_sharded_weights_train_as_whole_ones_do(tmp_path: Path) -> None:
    file = tmp_path / "fsdp.yaml"
    file.write_text(yaml.safe_dump(FSDP | {"fsdp_config": SHARDS}))
    asked = "loss=translation", "train.steps=3", "train.validation.every_steps=null"
    alone = run(1, tmp_path / "alone", *asked)
    sharded = run(2, tmp_path / "two", *asked, "launcher.processes=2", f"launcher.accelerate_config={file}")
    assert any("in parts on 2 ranks" in note for note in sharded["notes"])
    assert sharded["losses"] == pytest.approx(alone["losses"], rel=1e-3)
