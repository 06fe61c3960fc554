"""The table of results of studies of any size."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sweep.answer.points import Front, Spread
from sweep.answer.study_answer import BaselineRow, study_answer
from sweep.errors import InputError
from sweep.evaluation.summarise import Evaluated
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.table import TrialsTable, read_metrics
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.report.card import model_card
from sweep.report.summary import MOST_FAILURES, MOST_POINTS
from sweep.report.terminal import print_answer
from sweep.settings import Objective
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

MAP, LOW = "cldr/mono/map", "cldr/pooled/alignment_consistency/low"
OBJECTIVE = Objective(metric=LOW, direction="maximize")


def study(folder: StudyFolder, points: int, failed: int = 0) -> list[TrialRecord]:
    records = []
    for number in range(points + failed):
        key = f"a={number},seed=0"
        if number < points:
            metrics = {MAP: number / 8, LOW: number / 4, "cldr/other": 0.5}
            folder.trial(key).write_result(TrialResult(key, "f", metrics, 0.1, 1.0, {}, 0, {}))
        state = "COMPLETE" if number < points else "FAILED"
        value = number / 4 if number < points else None
        reason = None if number < points else "nan"
        records.append(
            TrialRecord(
                key,
                number,
                0,
                state,
                {"a": number},
                1,
                value,
                duration_s=1.0,
                reason=reason,
                folder=folder.trial(key),
            )  # type: ignore[arg-type]
        )
    TrialsTable(folder.trials_csv).update(records)
    return records


def printed(folder: StudyFolder, records: list[TrialRecord]) -> list[str]:
    console = Console(file=StringIO(), width=160)
    print_answer(console, study_answer(folder, records, "cldr", [OBJECTIVE]))
    assert isinstance(console.file, StringIO)
    return [line.strip() for line in console.file.getvalue().splitlines()]


def test_a_table_of_all_points_without_reading_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(tmp_path)
    records = study(folder, 3, failed=1)
    monkeypatch.setattr(TrialFolder, "read_result", lambda _: pytest.fail("a result was read"))
    lines = printed(folder, records)
    found = [line.split() for line in lines if line[:1].isdigit()]
    assert found == [
        [str(a), "1", f"{a / 4:.3f}", f"{a / 8:.3f}"] for a in range(3)
    ]  # the objective first, and no column that no point has a figure of
    assert f"Best by {LOW} (maximize): a=2 with 0.500, chosen among 3" in lines
    assert "FAILED a=3,seed=0: nan" in lines
    assert not any("of 3 points" in line for line in lines)


def test_a_large_study_shows_its_best_points_in_order(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    lines = printed(folder, study(folder, MOST_POINTS + 2, MOST_FAILURES + 5))
    found = [int(line.split()[0]) for line in lines if line[:1].isdigit()]
    assert found == list(range(2, MOST_POINTS + 2))
    assert f"The best {MOST_POINTS} of {MOST_POINTS + 2} points; trials.csv has all of them." in lines
    assert sum(line.startswith("FAILED a=") for line in lines) == MOST_FAILURES
    assert "FAILED: 5 more; trials.csv has their reasons" in lines


def test_metrics_are_read_by_column(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    study(folder, 2, failed=1)
    assert read_metrics(folder.trials_csv, [MAP, "cldr/none", MAP]) == {
        "a=0,seed=0": {MAP: 0.0},
        "a=1,seed=0": {MAP: 0.125},
        "a=2,seed=0": {},
    }


def test_an_answer_has_means_spreads_and_baselines(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    records = []
    for number, (a, seed, value) in enumerate(((1, 0, 0.2), (1, 1, 0.4), (0, 0, 0.6))):
        key = f"a={a},seed={seed}"
        folder.trial(key).write_result(TrialResult(key, "f", {MAP: value, LOW: 1 - value}, 0.1, 1.0, {}, 0, {}))
        values = value, 1 - value
        records.append(
            TrialRecord(key, number, seed, "COMPLETE", {"a": a}, 1, value, values, folder=folder.trial(key))
        )
    TrialsTable(folder.trials_csv).update(records)
    baseline = folder.path / "baselines" / "lir-0123456789ab"
    baseline.mkdir(parents=True)
    (baseline / "metrics.json").write_text(json.dumps({MAP: 0.125, "cldr/other": 1}))
    one, two = Objective(metric=MAP, direction="maximize"), Objective(metric=LOW, direction="maximize")
    answer = study_answer(folder, records, "cldr", [one])
    assert [dict(point.parameters) for point in answer.points] == [{"a": 0}, {"a": 1}]
    assert answer.points[0].figures == {MAP: Spread(0.6, None), LOW: Spread(pytest.approx(0.4), None)}
    assert answer.points[1].figures[MAP].text(3) == "0.300±0.141"
    assert answer.best == answer.points[0]
    assert answer.front is None
    assert answer.baselines == (BaselineRow("lir", {MAP: Spread(0.125, None)}),)
    assert not answer.certainty.tables
    several = study_answer(folder, records, "cldr", [one, two])
    assert several.best is None
    assert several.front == Front(several.points, 2, 0)
    assert "lir " in " ".join(printed(folder, records))


def test_a_study_without_a_complete_trial_has_no_answer_but_its_failures(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    answer = study_answer(folder, study(folder, 0, failed=1), "cldr", [OBJECTIVE])
    assert (answer.points, answer.best, len(answer.failed)) == ((), None, 1)


def test_the_card_has_the_figures_of_the_registry() -> None:
    settings = load_settings(Composer("sweep", []))
    name = settings.evaluation.name
    metrics = {f"{name}/mono/map": 0.51239, f"{name}/pooled/rank_distance": 12.34, f"{name}/mono/mrr@10": 1.0}
    evaluated = Evaluated(metrics, {key: (value - 0.01, value + 0.01) for key, value in metrics.items()})
    card = model_card(settings, "a=1,seed=0", evaluated, None)
    rows = card[card.index("| metric | figure |") :].splitlines()[2:]
    assert rows == ["| mono mAP | 0.5124 | 0.5024 | 0.5224 |", "| rank distance | 12.3 | 12.3 | 12.3 |"]


def test_the_card_says_how_to_give_a_language() -> None:
    asked = ["study.export_debias=lir", "evaluation.debias=[lir]", "evaluation.debias_on=train"]
    card = model_card(load_settings(Composer("sweep", asked)), "a=1,seed=0", Evaluated({}, {}), None, ("de", "sw"))
    assert '`model.encode(questions, prompt_name="query", task="de")`' in card
    assert "Languages: de sw;" in card
    for missing in ("evaluation.debias=[]", "evaluation.debias_on=pool"):
        with pytest.raises(InputError, match=r"set evaluation.debias=\[lir\] and evaluation.debias_on=train"):
            load_settings(Composer("sweep", [*asked, missing]))
