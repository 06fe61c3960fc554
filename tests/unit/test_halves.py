"""Two halves of the questions: which group is in which, figures of a half, and studies that choose by one of them."""

import random
import re
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric_name
from random_pools import geometry_metrics, rank_metrics
from rich.console import Console
from tests.unit.test_compare import embeddings, toy
from tests.unit.test_compare import result as write_ranks
from tests.unit.test_geometry import ranking_of
from tests.unit.test_search import found, points_of
from tests.unit.test_study import settings_of, store_of

from sweep.answer.study_answer import study_answer
from sweep.data.benchmark import Benchmark
from sweep.errors import InputError, SweepError
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.comparison import System, figure, load_system
from sweep.evaluation.halves import evaluated_halves, figures_from_ranks, half_of, of_half, wanted_of
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.summarise import summarise
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord
from sweep.report.terminal import print_answer
from sweep.run.inputs import _check_halves
from sweep.settings import Objective
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.metric_key import Half
from sweep.study.goals import with_halves
from sweep.study.store import StudyStore
from sweep.study.warm_start import warm_start
from sweep.tracking.mlflow_pages import metric_name

MAP = "toy/pooled/map"
RATIOS = "study.space={ratio.monolingual: {grid: [0.0, 0.5, 1.0]}}"
AIM = "study.objectives=[{metric: toy/pooled/map, direction: maximize}]"
HALF = [RATIOS, AIM, "study.select_on=half", "study.seeds=[0,1]"]
NOISE = {0.0: 0.8, 0.5: 0.4, 1.0: 1.2}


def ranked(noise: float = 1.0, bench: Benchmark | None = None) -> Ranking:
    bench = toy() if bench is None else bench
    query_qh, passage_dh = embeddings(bench, noise, 0)
    return rank_parallel(bench, query_qh, passage_dh, np.arange(len(passage_dh)))


def test_the_half_of_a_group_is_a_function_of_its_id_alone() -> None:
    # As `python -c "import hashlib; print(hashlib.sha256(b'g00').digest()[0] % 2)"` has it, for ever.
    assert [half_of(f"g{number:02}") for number in range(6)] == [
        "report", "select", "select", "select", "report", "report",
    ]  # fmt: skip
    shares = [np.mean([half_of(f"{name}{number}") == "select" for number in range(4000)]) for name in ("g", "é-", "")]
    assert all(abs(share - 0.5) < 0.04 for share in shares)


@pytest.mark.parametrize("half", ["select", "report"])
def test_a_half_has_the_figures_of_its_groups_with_the_ranks_of_the_whole_pool(half: Half) -> None:
    whole = ranked()
    part = of_half(whole, half)
    assert set(part.groups) == {group for group in whole.groups if half_of(group) == half}
    assert part.pool_size == whole.pool_size
    table, _ = rank_cells(whole)
    in_half_g = np.array([half_of(group) == half for group in whole.groups])
    parts, _ = rank_cells(part)
    assert parts.keys() == table.keys()
    for name, cells in table.items():
        assert parts[name].names == cells.names
        np.testing.assert_allclose(parts[name].value_cg, cells.value_cg[:, in_half_g], rtol=1e-12)


def test_halves_of_groups_that_lack_questions() -> None:
    rng = random.Random(1)
    names = [f"g{number}" for number in range(12)]
    questions = [(group, code) for group in names for code in ("en", "de", "th") if rng.random() < 0.6]
    questions = [*questions, *(("first", code) for code in ("en", "de", "th"))]
    whole = ranking_of(["en", "de", "th"], questions)
    query_qh = np.random.default_rng(0).normal(size=(len(questions), 6)).astype(np.float32)
    query_qh /= np.linalg.norm(query_qh, axis=1)[:, None]
    for half in ("select", "report"):
        kept = [place for place, (group, _) in enumerate(questions) if half_of(group) == half]
        alone = ranking_of(["en", "de", "th"], [questions[place] for place in kept])
        assert rank_metrics(of_half(whole, half)) == rank_metrics(alone)
        expected = geometry_metrics(alone, query_qh[kept])
        keys = [f"toy/{key}" for key in expected]
        figures = evaluated_halves(whole, {}, {half: keys}, query_qh)
        assert figures.metrics == {f"toy+{half}/{key}": value for key, value in expected.items()}
        assert f"toy+{half}/geometry/mexa" in figures.intervals


def test_only_what_is_asked_for_with_the_same_figures_from_the_file(tmp_path: Path) -> None:
    file = write_ranks(tmp_path, 1.0) / "ranks.parquet"
    wanted = wanted_of(
        settings_of(*HALF, "study.constraints=[{metric: toy/cross/map/en-de, at_least: 0}]").study, "toy"
    )
    assert wanted["select"] == (MAP, "toy/cross/map/en-de")
    ranking, tiers = read_ranking(file)
    figures = figures_from_ranks(file, wanted)
    for half in ("select", "report"):
        own = of_half(ranking, half)
        table, counts = rank_cells(own)
        expected = summarise("toy", table, counts, {}, tiers).metrics
        assert {key for key in figures if key.startswith(f"toy+{half}/")} <= {
            key.replace("toy/", f"toy+{half}/") for key in expected
        }
        for key in (MAP, "toy/cross/map/en-de"):
            assert figures[key.replace("toy/", f"toy+{half}/")] == expected[key]
    assert set(figures) & {f"toy+select/{name}" for name in ("mono/map", "pooled/alignment_consistency/low")} == set()
    assert "toy+report/pooled/alignment_consistency/low" in figures
    assert wanted_of(settings_of(*HALF, "study.select_on=all").study, "toy") == {}


def test_what_is_chosen_by_and_what_is_compared_share_no_question(tmp_path: Path) -> None:
    write_ranks(tmp_path, 1.0)
    systems = [load_system("x", [tmp_path / "ranks.parquet"], half=half) for half in ("select", "report")]
    assert set(systems[0].groups) & set(systems[1].groups) == set()
    assert len(systems[0].groups) + len(systems[1].groups) == len(toy().questions) / 3
    figures = figures_from_ranks(tmp_path / "ranks.parquet", {"select": [MAP], "report": [MAP]})
    for system, half in zip(systems, ("select", "report"), strict=True):
        assert figure(system, "pooled/map").value == pytest.approx(figures[f"toy+{half}/pooled/map"])


def test_a_search_chooses_by_half_and_a_grid_by_all_unless_they_are_told() -> None:
    search = ("study.space={ratio.monolingual: {float: [0, 1]}}", "study.points=3")
    for overrides, chosen in (
        (("study.select_on=auto",), "all"), (("study.select_on=auto", *search), "half"),
        (("study.select_on=half",), "half"), (("study.select_on=all", *search), "all"),
    ):  # fmt: skip
        study = settings_of(*overrides).study
        assert study.selects_on_half == (chosen == "half")
        assert study.selected("x/mono/map/en") == ("x+select/mono/map/en" if chosen == "half" else "x/mono/map/en")
        assert study.reported("x/mono/map") == ("x+report/mono/map" if chosen == "half" else "x/mono/map")


def test_a_benchmark_with_hardly_a_question_in_a_half_is_refused() -> None:
    _check_halves(toy(groups=5))  # 3 to choose by, 2 to report
    with pytest.raises(InputError, match=r"toy has 3 questions, 2 of them to choose by; .* set study\.select_on=all"):
        _check_halves(toy(groups=3))


def studied(path: Path, *overrides: str) -> tuple[StudyStore, list[str]]:
    """A study of NOISE with real ranks, whose results have no figure that counts; what its end prints."""
    store = store_of(path, *HALF, *overrides)
    while (claim := store.claim("w")) is not None:
        folder = store.folder.trial(claim.point.key)
        write_ranks(folder.path, NOISE[claim.point.values["ratio.monolingual"]], claim.point.seed)
        result = with_halves(found(claim.point.key, **{MAP: 9.0}), folder, store.settings)
        store.commit_result(claim, partial(folder.write_result, result))
        store.finish(claim, result)
    records, study = store.view.records(), store.settings
    TrialsTable(store.folder.trials_csv).update(records)
    console = Console(file=StringIO(), width=200)
    print_answer(console, study_answer(store.folder, records, "toy", study.objectives, 0.2, study))
    assert isinstance(console.file, StringIO)
    return store, [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def recomputed(folder: StudyFolder, key: str, half: Half) -> float:
    """The objective from a file of ranks, question by question."""
    ranking, _ = read_ranking(folder.trial(key).ranks)
    assert ranking.pooled is not None
    values: dict[int, list[float]] = {}
    for row in range(len(ranking.language_q)):
        if half_of(ranking.groups[ranking.group_q[row]]) == half:
            ranks = sorted(rank for rank in ranking.pooled.rank_qr[row].tolist() if rank)
            precision = fmean((place + 1) / rank for place, rank in enumerate(ranks))
            values.setdefault(int(ranking.language_q[row]), []).append(precision)
    return fmean(fmean(of_language) for of_language in values.values())


def test_the_study_chooses_by_one_half_and_tells_of_the_other(tmp_path: Path) -> None:
    store, lines = studied(tmp_path)
    records = store.view.records()
    for record in records:
        assert record.value == pytest.approx(recomputed(store.folder, record.key, "select"))
        assert record.metrics[MAP] == 9.0  # over all questions, which nothing looks at
    means: dict[str, dict[float, float]] = {
        half: {
            ratio: fmean(
                recomputed(store.folder, record.key, "select" if half == "select" else "report")
                for record in records
                if record.parameters["ratio.monolingual"] == ratio
            )
            for ratio in NOISE
        }
        for half in ("select", "report")
    }
    best = max(means["select"], key=lambda ratio: means["select"][ratio])
    (line,) = (line for line in lines if line.startswith("Best by toy+select/pooled/map (maximize): "))
    assert line.startswith(
        f"Best by toy+select/pooled/map (maximize): ratio.monolingual={best:g} with {means['report'][best]:.3f}±"
    )
    assert lines[0] == "toy+report: mean ± standard deviation over 2 seeds"
    assert "Points are chosen by one half of the questions; every figure here is of the other half." in lines
    start = lines.index("How sure: toy+report/pooled/map, 95 % intervals over questions and 2 seeds")
    end = next(place for place, line in enumerate(lines) if line.startswith("Differences"))
    sure = {line.split()[0]: float(line.split()[1]) for line in lines[start:end] if re.match(r"(0|0\.5|1) 0\.", line)}
    assert sure == {f"{ratio:g}": round(value, 3) for ratio, value in means["report"].items()}
    row = store.folder.trials_csv.read_text().splitlines()[0].split(",")
    assert {"toy/pooled/map", "toy+select/pooled/map", "toy+report/pooled/map"} <= set(row)


def test_seeds_are_stopped_by_the_half_that_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()

    def noted(*arguments: Any, half: Half | None = None) -> System:
        asked.add(half)
        return load_system(*arguments, half=half)

    monkeypatch.setattr("sweep.evaluation.comparison.load_system", noted)
    studied(tmp_path, "study.seeds=[0,1,2]", "study.seed_policy=stop_when_worse")
    assert asked == {"select"}


def test_a_constraint_that_is_younger_than_a_trial_is_measured_on_its_half(tmp_path: Path) -> None:
    store, _ = studied(tmp_path)
    bound = "study.constraints=[{metric: toy/cross/map/en-de, at_least: 0.5}]"
    measured = {
        trial.key: store_of(tmp_path, *HALF, bound).view.goals.measured(trial)
        for trial in store.view.trials().values()
    }
    for key, metrics in measured.items():
        figures = figures_from_ranks(store.folder.trial(key).ranks, {"select": ["toy/cross/map/en-de"]})
        assert metrics == {"toy/cross/map/en-de": figures["toy+select/cross/map/en-de"]}


def test_a_metric_that_a_half_does_not_have_fails_with_its_key(tmp_path: Path) -> None:
    store = store_of(tmp_path, *HALF)
    claim = store.claim("w")
    assert claim is not None
    with pytest.raises(SweepError, match=r"the objective 'toy\+select/pooled/map' is not among the trial's metrics"):
        store.finish(claim, found(claim.point.key, **{MAP: 0.5}))


def test_a_study_of_one_seed_without_a_table_of_ratios_says_what_it_cannot_say(tmp_path: Path) -> None:
    _, lines = studied(tmp_path / "a", "study.seeds=[0]", "study.select_on=all")
    assert sum("One seed:" in line for line in lines) == 1  # below the table of ratios
    records = [
        TrialRecord(f"train.steps={steps},seed=0", steps, 0, "COMPLETE", {"train.steps": steps}, 1, 0.5, (0.5,))
        for steps in (1, 2)
    ]
    folder = StudyFolder(tmp_path / "b")
    TrialsTable(folder.trials_csv).update(records)
    console = Console(file=StringIO(), width=200)
    objective = Objective(metric=MAP, direction="maximize")
    for shown, times in ((records, 1), (records[:1], 0)):  # of a single trial nobody expects a comparison
        console.file = StringIO()
        print_answer(console, study_answer(folder, shown, "toy", [objective]))
        assert console.file.getvalue().count("nothing is said about the settings themselves") == times


def test_a_search_takes_over_what_chose_by_all_questions_with_the_figures_of_its_half(tmp_path: Path) -> None:
    grid = ("study.space={ratio.monolingual: {grid: [0.0, 0.5]}}", AIM, "study.seeds=[0,1]")
    composer = Composer("sweep", [*grid, "study.name=old"])
    old = StudyStore(StudyFolder(tmp_path / "old"), load_settings(composer).study, lambda _: True)
    old.check_settings(load_settings(composer))
    old.enqueue()
    while (claim := old.claim("w")) is not None:
        folder = old.folder.trial(claim.point.key)
        write_ranks(folder.path, NOISE[claim.point.values["ratio.monolingual"]], claim.point.seed)
        fingerprint = load_settings(composer, claim.point.assignments).trial_fingerprint()
        outcome = replace(found(claim.point.key, **{MAP: 0.9}), fingerprint=fingerprint)
        old.commit_result(claim, partial(folder.write_result, outcome))
        old.finish(claim, outcome)

    def figure_of(ratio: float) -> float:
        files = [old.folder.trial(f"ratio.monolingual={ratio:g},seed={seed}").ranks for seed in (0, 1)]
        return fmean(figures_from_ranks(file, {"select": [MAP]})["toy+select/pooled/map"] for file in files)

    space = "study.space={ratio.monolingual: {float: [0, 1]}}"
    for name, overrides in (("search", [space, "study.points=3"]), ("grid", [*grid, "study.select_on=half"])):
        composer = Composer("sweep", [AIM, *overrides, f"study.name={name}", "study.warm_start=old"])
        settings = load_settings(composer)
        store = StudyStore(StudyFolder(tmp_path / name), settings.study, lambda _: True)
        store.check_settings(settings)
        adopted = warm_start(store, settings, lambda point, composer=composer: load_settings(composer, point), ())
        if name == "search":
            assert [trial.value for trial in points_of(store)] == [figure_of(0.0), figure_of(0.5)]
            continue
        assert adopted == 4
        values = {record.key: record.value for record in store.view.records()}
        assert fmean(values[f"ratio.monolingual=0.5,seed={seed}"] or 0.0 for seed in (0, 1)) == figure_of(0.5)
        assert all("toy+report/pooled/map" in record.metrics for record in store.view.records())


def test_mlflow_takes_the_keys_of_halves() -> None:
    assert metric_name("cldr+report/pooled/recall@10") == "cldr_report/pooled/recall_at_10"
    _validate_metric_name(metric_name("cldr+select/pooled/map/low"))
    with pytest.raises(MlflowException, match="Names may only contain"):
        _validate_metric_name("cldr+select/pooled/map/low")
