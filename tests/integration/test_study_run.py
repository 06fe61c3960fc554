"""Whole studies with real processes, a real MLflow database, and real kills."""

import json
import os
import shlex
import signal
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY, children, lines, of_trials, rows, runs, start, wait_for
from tests.startup import slow_steps
from tests.waiting import lives, until

from sweep.evaluation.cells import rank_cells
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.summarise import summarise
from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow


POINTS = ("ratio.monolingual=0.5,", "ratio.monolingual=1,")


def test_a_study_runs_resumes_grows_and_refuses(sweep: Sweep, sweep_process: Sweep, tmp_path: Path) -> None:
    first = sweep_process(*TINY)
    assert first.returncode == 0, first.stdout + first.stderr
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    # Long headings take two lines.
    for column in (
        "mono mAP",
        "cross mAP",
        "other script",
        "pooled mAP",
        "align. all",
        "align. low",
        "unseen",
        "rank dist.",
    ):
        assert column in first.stdout
    assert "Best by cldr/pooled/alignment_consistency/low (maximize): ratio.monolingual=" in first.stdout
    assert f"python -m sweep {shlex.join(TINY)}   (adds what is missing" in first.stdout
    assert "-m mlflow ui --backend-store-uri sqlite:///sweeps/mlflow.db --host 127.0.0.1" in first.stdout

    found = rows(folder.path)
    assert [(row["key"], row["seed"], row["state"], row["ratio.monolingual"], row["attempts"]) for row in found] == [
        ("ratio.monolingual=0.5,seed=0", "0", "COMPLETE", "0.5", "1"),
        ("ratio.monolingual=1,seed=0", "0", "COMPLETE", "1.0", "1"),
    ]
    trial = folder.trial(found[0]["key"])
    metrics = json.loads(trial.metrics.read_text())
    for key in ("mono/map/sw", "cross/map/en-de", "pooled/map/low", "pooled/alignment_consistency/unseen",
                "pooled/rank_distance", "agreement/rbo/en-sw", "geometry/language_probe/low",
                "pooled/language_preference/high", "pooled/same_language@1"):  # fmt: skip
        assert float(found[0][f"cldr/{key}"]) == metrics[f"cldr/{key}"]
    assert "monolingual: 0.5" in trial.config.read_text()
    details = json.loads(trial.details.read_text())
    low, high = details["intervals"]["cldr/mono/map/sw"]
    assert low < metrics["cldr/mono/map/sw"] < high
    ranking, tiers = read_ranking(trial.ranks)
    again = summarise("cldr", *rank_cells(ranking), {}, tiers).metrics
    assert again == {key: value for key, value in metrics.items() if not key.startswith("cldr/geometry/")}
    assert "How sure: cldr/pooled/alignment_consistency/low" in first.stdout
    assert "COMPLETE" in trial.log.read_text()
    assert folder.config.exists()

    _check_mlflow(tmp_path / "sweeps", metrics)

    # All but the model, which may no longer be one of the best point.
    kept = (file for file in folder.path.glob("trials/*/*") if file.name != "model")
    before = {file: file.stat().st_mtime_ns for file in kept}
    wider = sweep(*TINY, "study.space={ratio.monolingual: {grid: [0.5, 1.0, 0.0]}}")
    assert wider.returncode == 0
    assert "2 of 3 trials are done" in wider.stdout
    assert len(rows(folder.path)) == len(of_trials(tmp_path / "sweeps")) == 3
    assert {file: file.stat().st_mtime_ns for file in before} == before

    other = sweep(*TINY, "train.steps=7")
    assert other.returncode == 2
    assert "train.steps: 6 in the study, 7 now" in other.stderr
    assert "Traceback" not in other.stderr


def _check_mlflow(sweeps: Path, metrics: dict[str, float]) -> None:
    found = runs(sweeps)
    (parent,) = (run for run in found if "mlflow.parentRunId" not in run.data.tags)
    nested = of_trials(sweeps)
    assert len(nested) == 2
    baselines = {run.data.tags["sweep.key"]: run.data.metrics for run in found}
    assert baselines["baseline n-grams"]["cldr/mono/map"] > baselines["baseline chance"]["cldr/mono/map"] > 0
    assert {run.info.status for run in found} == {"FINISHED"}
    run = next(run for run in nested if run.data.tags["sweep.key"] == "ratio.monolingual=0.5,seed=0")
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.data.params["ratio.monolingual"] == "0.5"
    assert run.data.params["train.steps"] == "6"
    assert run.data.tags["sweep.seed"] == "0"
    assert "version.torch" in run.data.tags
    shown = {key: key.replace("@", "_at_") for key in metrics if key.replace("@", "_at_") in run.data.metrics}
    assert 20 <= len(shown) < len(metrics)  # the others are in metrics.json
    for key, name in shown.items():
        assert run.data.metrics[name] == pytest.approx(metrics[key])
    client = MlflowClient(f"sqlite:///{sweeps / 'mlflow.db'}")
    curve = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in curve] == [1, 2, 3, 4, 5, 6]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "config.yaml",
        "metrics.json",
        "metrics_table.json",
        "evaluation.json",
        "ranks.parquet",
        "losses.csv",
        "exposure.csv",
        "log.txt",
    }


def test_kill_the_process_group_anywhere_then_repeat(tmp_path: Path, cache: Path, sweep: Sweep) -> None:
    """SIGKILL to driver and worker at several points; the same command ends with exactly the grid, each key once."""
    study = (*TINY, "study.seeds=[0,1]", "train.checkpoint_steps=1", "train.steps=60")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    points = {
        "within training": lambda: lines(folder.trial("ratio.monolingual=0.5,seed=0").losses) > 3,
        "while MLflow is set up": lambda: (tmp_path / "sweeps" / "mlflow.db").exists(),
        "as a result is written": lambda: folder.trial("ratio.monolingual=0.5,seed=0").metrics.exists(),
        "within the next trial": lambda: lines(folder.trial("ratio.monolingual=0.5,seed=1").losses) > 1,
    }
    finished: dict[Path, int] = {}
    slow = slow_steps(tmp_path)
    for moment, reached in points.items():
        # Within training it has to be killed within training: its next attempt goes on from a checkpoint.
        process = start(tmp_path, cache, *study, **(slow if moment == "within training" else {}))
        wait_for(reached, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for result in folder.path.glob("trials/*/result.json"):
            modified = result.stat().st_mtime_ns
            assert finished.setdefault(result, modified) == modified, moment

    done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(folder.path)
    assert sorted(row["key"] for row in found) == sorted(
        f"ratio.monolingual={alpha},seed={seed}" for alpha in ("0.5", "1") for seed in (0, 1)
    )
    assert {row["state"] for row in found} == {"COMPLETE"}
    assert all(result.stat().st_mtime_ns == modified for result, modified in finished.items())
    nested = of_trials(tmp_path / "sweeps")
    assert len(nested) == len({run.data.tags["sweep.key"] for run in nested}) == 4
    assert {run.info.status for run in runs(tmp_path / "sweeps")} == {"FINISHED"}
    client = MlflowClient(f"sqlite:///{tmp_path / 'sweeps' / 'mlflow.db'}")
    for run in nested:
        curve = client.get_metric_history(run.info.run_id, "train/loss")
        assert [point.step for point in curve] == list(range(1, 61))
    assert "going on from checkpoint step-" in folder.trial("ratio.monolingual=0.5,seed=0").log.read_text()
    assert not list(folder.path.glob("trials/*/checkpoint"))
    (model,) = folder.path.glob("trials/*/model")  # one trial's of the best point
    column = "cldr/pooled/alignment_consistency/low"
    totals = {point: sum(float(row[column]) for row in found if row["key"].startswith(point)) for point in POINTS}
    assert model.parent.name.startswith(max(totals, key=lambda point: totals[point]))
    assert "| alignment all |" in (model / "README.md").read_text()


def test_a_trial_that_fails_is_recorded_and_retried(sweep: Sweep, tmp_path: Path) -> None:
    study = (*TINY, "study.space={train.learning_rate: {grid: [0.001, 1.0e+37]}}")
    done = sweep(*study)
    assert done.returncode == 1
    assert "FAILED train.learning_rate=1e+37,seed=0: the loss became nan in step" in done.stdout.replace("\n", " ")
    assert "study.retry_failed=true" in done.stdout
    found = {row["key"]: row for row in rows(tmp_path / "sweeps" / "tiny")}
    assert [row["state"] for row in found.values()] == ["COMPLETE", "FAILED"]
    failed = next(run for run in runs(tmp_path / "sweeps") if "1e" in run.data.tags["sweep.key"])
    assert failed.info.status == "FAILED"
    assert "the loss became nan" in failed.data.tags["sweep.reason"]
    again = sweep(*study, "study.retry_failed=true")
    assert again.returncode == 1
    assert [row["attempts"] for row in rows(tmp_path / "sweeps" / "tiny")] == ["1", "2"]
    assert not [run for run in runs(tmp_path / "sweeps") if run.info.status == "RUNNING"]


def test_a_killed_worker_is_replaced_and_a_hopeless_trial_given_up(tmp_path: Path, cache: Path) -> None:
    process = start(tmp_path, cache, *TINY, "study.max_attempts=2", "train.steps=400")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    losses = folder.trial("ratio.monolingual=0.5,seed=0").losses
    for _ in range(2):
        losses.unlink(missing_ok=True)
        wait_for(lambda: lines(losses) > 3, process)
        (worker,) = children(process.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda gone=worker: gone not in children(process.pid), process)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1, output
    assert "a worker died (status -9)" in output
    states = {row["key"]: (row["state"], row["reason"]) for row in rows(folder.path)}
    assert states["ratio.monolingual=1,seed=0"] == ("COMPLETE", "")
    state, reason = states["ratio.monolingual=0.5,seed=0"]
    assert state == "FAILED"
    assert "its worker died 2 times, last with status -9" in reason
    assert not [run for run in runs(tmp_path / "sweeps") if run.info.status == "RUNNING"]


def test_a_worker_does_not_outlive_its_driver(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    process = start(tmp_path, cache, *TINY, shared_mlflow, "train.steps=5000")
    losses = StudyFolder(tmp_path / "sweeps" / "tiny").trial("ratio.monolingual=0.5,seed=0").losses
    wait_for(lambda: lines(losses) > 1, process)
    (worker,) = children(process.pid)
    process.kill()  # the driver alone
    process.communicate()
    until(lambda: not lives(worker))


def test_two_processes_train_on_the_same_batches_with_the_same_losses(
    sweep: Sweep, tmp_path: Path, shared_mlflow: str
) -> None:
    """Batches of 15 rows on 2 ranks, so one slice is filled up; 12 steps, so gradients count."""
    study = (
        *TINY,
        shared_mlflow,
        "study.space={ratio.cross_batch: {grid: [pair, mixed]}}",
        "train.steps=12",
        "train.batch_size=15",
    )
    for processes in (1, 2):
        done = sweep(*study, f"study.name=on{processes}", f"launcher.processes={processes}")
        assert done.returncode == 0, done.stdout + done.stderr
    alone, together = (StudyFolder(tmp_path / "sweeps" / f"on{processes}") for processes in (1, 2))
    for key in ("ratio.cross_batch=pair,seed=0", "ratio.cross_batch=mixed,seed=0"):
        losses = [
            [float(line.split(",")[1]) for line in folder.trial(key).losses.read_text().splitlines()[1:]]
            for folder in (alone, together)
        ]
        assert len(losses[0]) == 12
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        one, two = (json.loads(folder.trial(key).metrics.read_text()) for folder in (alone, together))
        assert one["cldr/mono/map"] == pytest.approx(two["cldr/mono/map"], abs=0.02)


def test_a_search_with_seeds_meets_its_target_exactly(sweep: Sweep, tmp_path: Path, shared_mlflow: str) -> None:
    space = (
        "study.space={ratio.monolingual: {float: [0, 1]}, train.learning_rate: {float: [0.0001, 0.01], log: true}}"
    )
    study = (*TINY, shared_mlflow, space, "study.points=2", "study.seeds=[0,1]", "train.steps=3")
    done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(tmp_path / "sweeps" / "tiny")
    assert [row["state"] for row in found] == ["COMPLETE"] * 4
    assert len({row["ratio.monolingual"] for row in found}) == 2


def test_a_study_goes_on_with_the_draw_that_it_began_with(sweep: Sweep, tmp_path: Path, shared_mlflow: str) -> None:
    """One that does not name its draw, as those of version 0.1, has an independent one."""
    study = (*TINY, shared_mlflow, "study.space={ratio: {grid: [hybrid]}}", "train.steps=3")
    assert sweep(*study, "ratio.draw=independent").returncode == 0
    refused = sweep(*study, "ratio.draw=even")
    assert refused.returncode == 2
    assert "ratio.draw: null in the study, 'even' now" in refused.stderr
    again = sweep(*study, "study.seeds=[0,1]")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "This study was begun with ratio.draw=independent, and goes on with it." in again.stdout
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    configs = [folder.config, *(folder.trial(f"ratio=hybrid,seed={seed}").config for seed in (0, 1))]
    assert all("  draw: independent\n" in config.read_text() for config in configs)
    assert json.loads(folder.notes.read_text())["lines"] == []


def test_two_commands_on_one_study_are_refused(tmp_path: Path, cache: Path, sweep: Sweep, shared_mlflow: str) -> None:
    process = start(tmp_path, cache, *TINY, shared_mlflow, "train.steps=5000")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    wait_for(lambda: (folder.path / "study.db").exists(), process)
    second = sweep(*TINY, "train.steps=5000")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert second.returncode == 1
    assert "study 'tiny' is being run by another process" in second.stderr


def test_bad_data_stops_the_study_before_it_starts(sweep: Sweep, tmp_path: Path) -> None:
    done = sweep(*TINY, "languages.train=[en,xx]", "languages.tiers.high=[en,xx]")
    assert done.returncode == 2
    assert "no language 'xx'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "sweeps").exists()


def test_no_table_is_made_of_a_trial_that_is_damaged(sweep: Sweep, tmp_path: Path) -> None:
    study = (*TINY, "tracking=json_lines", "study.export=none")
    assert sweep(*study).returncode == 0
    folder = StudyFolder(tmp_path / "sweeps/tiny").trial("ratio.monolingual=1,seed=0")
    whole = folder.ranks.read_bytes()
    folder.ranks.write_bytes(whole[:-1])
    refused = sweep(*study)
    assert refused.returncode == 1
    assert "ratio.monolingual=1,seed=0: ranks.parquet is damaged" in refused.stderr
    assert "study.rerun_damaged=true" in refused.stderr
    assert "mono mAP" not in refused.stdout
    again = sweep(*study, "study.rerun_damaged=true")
    assert again.returncode == 0
    assert folder.ranks.read_bytes() == whole
    assert "mono mAP" in again.stdout
    kept = sweep(*study, "study.export=all")  # of trials that are finished
    assert kept.returncode == 0
    assert "study.export=all: 2 finished trials were run without keeping their models" in kept.stdout
