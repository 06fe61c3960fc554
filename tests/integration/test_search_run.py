"""Searches as a user runs them: chosen by one half of the questions, told of the other, and the best confirmed."""

import json
import os
import re
import signal
from pathlib import Path
from statistics import fmean

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, lines, rows, start, wait_for
from tests.startup import slow_steps

from sweep.evaluation.halves import half_of
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.ranking import Ranking
from sweep.records.folder import StudyFolder
from sweep.settings.metric_key import Half

pytestmark = pytest.mark.slow

SEARCH = (
    *TINY, "study.space={ratio.monolingual: {float: [0, 1]}}", "study.points=3", "study.seeds=[0,1]",
    "study.confirm={points: 1, seeds: 3}", "train.steps=40", "train.checkpoint_steps=1",
    "study.objectives=[{metric: cldr/pooled/map/low, direction: maximize}]", "evaluation.records=24",
)  # fmt: skip


def mean_precision(folder: StudyFolder, key: str, half: Half) -> float:
    """The objective of a trial on one half, from its file of ranks, question by question."""
    ranking, tiers = read_ranking(folder.trial(key).ranks)
    assert ranking.pooled is not None
    by_language: dict[str, list[float]] = {}
    for row, language in enumerate(ranking.language_q):
        code = ranking.languages[language]
        if code in tiers["low"] and half_of(ranking.groups[ranking.group_q[row]]) == half:
            by_language.setdefault(code, []).append(_precision(ranking, row))
    return fmean(map(fmean, by_language.values()))


def _precision(ranking: Ranking, row: int) -> float:
    assert ranking.pooled is not None
    ranks = sorted(rank for rank in ranking.pooled.rank_qr[row].tolist() if rank)
    return fmean((place + 1) / rank for place, rank in enumerate(ranks))


def test_a_search_is_chosen_by_half_told_of_the_other_and_confirmed_after_a_kill(
    sweep: Sweep, tmp_path: Path, cache: Path, shared_mlflow: str
) -> None:
    study = (*SEARCH, shared_mlflow)
    alone = sweep(*study, "study.name=alone")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    folder = StudyFolder(tmp_path / "sweeps" / "alone")
    found = rows(folder.path)
    assert [row["seed"] for row in found] == ["0", "1"] * 3 + ["2"]

    # Chosen by one half, from the ranks; and each row of trials.csv says which half is which.
    chosen: dict[str, list[float]] = {}
    for row in found:
        for half in ("select", "report"):
            figure = float(row[f"cldr+{half}/pooled/map/low"])
            assert figure == pytest.approx(
                mean_precision(folder, row["key"], "select" if half == "select" else "report")
            )
        if row["seed"] != "2":
            chosen.setdefault(row["ratio.monolingual"], []).append(float(row["cldr+select/pooled/map/low"]))
    best = max(chosen, key=lambda ratio: fmean(chosen[ratio]))
    assert found[-1]["ratio.monolingual"] == best

    # What is printed is of the other half, and of the confirmed point.
    told = fmean(float(row["cldr+report/pooled/map/low"]) for row in found if row["ratio.monolingual"] == best)
    (line,) = (line for line in alone.stdout.splitlines() if line.startswith("Best by "))
    assert re.match(
        r"Best by cldr\+select/pooled/map/low \(maximize\): ratio\.monolingual=\S+ with "
        rf"{told:.3f}±0\.\d+, chosen among 3$",
        line,
    )
    assert f"{float(best):.6g}" in line
    assert "Points are chosen by one half of the questions" in alone.stdout
    assert "Confirmed with further seeds: 1 of 3 points" in alone.stdout
    mono = [float(row["cldr+report/mono/map"]) for row in found if row["ratio.monolingual"] == best]
    assert f" {fmean(mono):.3f}±" in alone.stdout
    (model,) = folder.path.glob("trials/*/model")
    assert model.parent.name.startswith(f"ratio.monolingual={best}")
    card = (model / "README.md").read_text()
    metrics = json.loads(folder.trial(model.parent.name).metrics.read_text())
    assert f"| mono mAP | {metrics['cldr+report/mono/map']:.4f} |" in card

    # The same after kills in the last search trial, and in the one that confirms.
    cut, confirming = StudyFolder(tmp_path / "sweeps" / "tiny"), found[-1]["key"]
    for key, training in ((found[5]["key"], 6), (confirming, 2)):
        process = start(tmp_path, cache, *study, **slow_steps(tmp_path, training=training))
        wait_for(lambda key=key: lines(cut.trial(key).losses) > 3, process)  # type: ignore[misc]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 7 trials are done" in done.stdout
    assert [row["key"] for row in rows(cut.path)] == [row["key"] for row in found]
    for row in found:
        one, other = (json.loads(each.trial(row["key"]).metrics.read_text()) for each in (folder, cut))
        assert one == other, row["key"]
    assert [line for line in done.stdout.splitlines() if line.startswith("Best by ")] == [line]

    refused = sweep(*study, "study.select_on=all")
    assert refused.returncode == 2
    assert "study.select_on: 'half' in the study, 'all' now" in refused.stderr


def test_automatic_workers_end_with_the_bits_of_one(sweep: Sweep, tmp_path: Path, shared_mlflow: str) -> None:
    space = "study.space={ratio.monolingual: {grid: [0.0, 0.5, 1.0]}}"
    study = [part for part in TINY if not part.startswith("launcher.")]
    for name, overrides in (("one", ["launcher.workers=1", "launcher.threads=1"]), ("auto", [])):
        done = sweep(*study, space, shared_mlflow, f"study.name={name}", *overrides)
        assert done.returncode == 0, done.stdout + done.stderr
    one, auto = (StudyFolder(tmp_path / "sweeps" / name) for name in ("one", "auto"))
    assert len(list(auto.workers.glob("worker-*.log"))) == min(len(os.sched_getaffinity(0)), 3)
    for row in rows(one.path):
        first, second = (json.loads(each.trial(row["key"]).metrics.read_text()) for each in (one, auto))
        assert first == second, row["key"]
