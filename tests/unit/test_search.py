"""Samplers, conditions, several objectives, constraints, seeds and warm starts: what a search asks and is told."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from tests.unit.test_study import settings_of, store_of, work

from sweep.answer.points import best_of, front_of
from sweep.answer.points import points_of as rows_of
from sweep.errors import InputError
from sweep.records.values import TrialResult
from sweep.report.pareto import print_front
from sweep.settings.compose import Composer
from sweep.settings.search import check_space
from sweep.study.distributions import suggest
from sweep.study.point import Point, grid_points
from sweep.study.store import StudyStore

LOW = "cldr/pooled/alignment_consistency/low"
MONO = "cldr/mono/map"
SPACE = "study.space={ratio.monolingual: {float: [0, 1]}, train.learning_rate: {float: [1e-4, 1e-2], log: true}}"
DISCRETE = "study.space={ratio.monolingual: {float: [0, 1], step: 0.5}, train.steps: {int: [50, 52]}}"


def points_of(store: StudyStore) -> list[FrozenTrial]:
    """The trials of the study of points."""
    study = optuna.load_study(
        study_name=f"{store.settings.name}.points", storage=f"sqlite:///{store.folder.database}"
    )
    return list(study.get_trials(deepcopy=False))


def found(key: str, **metrics: float) -> TrialResult:
    return TrialResult(key, "f", {LOW: 0.5, MONO: 0.5} | metrics, 0.1, 1.0, {}, 0, {})


def run(store: StudyStore, metrics: Callable[[dict[str, Any], int], dict[str, float]], limit: int = 999) -> list[str]:
    """Claim and finish with these metrics until nothing is left, or `limit` trials are done."""
    keys: list[str] = []
    while len(keys) < limit and (claim := store.claim("w")) is not None:
        outcome = found(claim.point.key, **metrics(claim.point.values, claim.point.seed))
        store.commit_result(claim, partial(store.folder.trial(outcome.key).write_result, outcome))
        store.finish(claim, outcome)
        keys.append(claim.point.key)
    return keys


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2"])
def test_every_sampler_draws_the_same_however_often_it_is_interrupted(sampler: str, tmp_path: Path) -> None:
    search = [SPACE, "study.points=6", f"study.sampler={sampler}"]
    aim: Callable[[dict[str, Any]], float] = lambda values: -((values["ratio.monolingual"] - 0.3) ** 2)  # noqa: E731
    whole = work(store_of(tmp_path / "a", *search), value=aim)
    assert len(set(whole)) == 6
    pieces: list[str] = []
    while more := run(store_of(tmp_path / "b", *search), lambda values, _: {LOW: aim(values)}, limit=4):
        pieces += more
    assert pieces == whole
    other = work(store_of(tmp_path / "c", *search, "study.search_seed=1"), value=aim)
    assert other != whole


def test_brute_force_visits_every_point_once_and_then_says_so(tmp_path: Path) -> None:
    store = store_of(tmp_path, DISCRETE, "study.points=9", "study.sampler=brute_force")
    keys = work(store)
    assert len(set(keys)) == 9
    assert {key.split(",")[0] for key in keys} == {f"ratio.monolingual={alpha}" for alpha in ("0", "0.5", "1")}
    with pytest.raises(InputError, match="brute_force needs a step"):
        settings_of(SPACE, "study.points=3", "study.sampler=brute_force")


@pytest.mark.parametrize("sampler", ["tpe", "random", "brute_force", "gp"])
def test_a_lattice_has_the_values_that_a_person_would_write(sampler: str, tmp_path: Path) -> None:
    tenths = "study.space={ratio.monolingual: {float: [0, 1], step: 0.1}}"
    store = store_of(tmp_path, tenths, "study.points=11", f"study.sampler={sampler}")
    keys = work(store, value=lambda values: -values["ratio.monolingual"])
    assert sorted(keys) == sorted(f"ratio.monolingual={alpha},seed=0" for alpha in (
        "0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1",
    ))  # fmt: skip
    with pytest.raises(InputError, match=r"points=12, and the space has only 11: set study\.points=11 or less"):
        settings_of(tenths, "study.points=12")


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        ("{float: [0.05, 0.5], step: 0.15}", (0.05, 0.2, 0.35, 0.5)),
        ("{float: [1e-6, 5e-6], step: 2e-6}", (1e-6, 3e-6, 5e-6)),
        ("{float: [-1, 1], step: 0.7}", (-1.0, -0.3, 0.4)),
        ("{int: [10, 31], step: 10}", (10, 20, 30)),
        ("{int: [1, 3], log: true}", (1, 2, 3)),
        ("{choice: [1, true]}", (1, True)),
    ],
)
def test_values_of_a_dimension(dimension: str, values: tuple[float, ...]) -> None:
    space = settings_of(f"study.space={{train.weight_decay: {dimension}}}", "study.points=2").study.space
    assert space["train.weight_decay"].values == values
    assert space["train.weight_decay"].size == len(values)


def test_points_that_do_not_exist_are_not_counted() -> None:
    space = ("study.space={ratio: {choice: [monolingual, hybrid]}, ratio.monolingual: {float: [0, 1], step: 0.5, "
             "when: {ratio: hybrid}}}")  # fmt: skip
    with pytest.raises(InputError, match="points=5, and the space has only 4"):
        settings_of(space, "study.points=5")


def test_first_points_lie_on_the_lattice(tmp_path: Path) -> None:
    tenths = "study.space={ratio.monolingual: {float: [0, 1], step: 0.1}}"
    first = "study.first_points=[{ratio.monolingual: 0.30000000000000004}]"
    assert work(store_of(tmp_path, tenths, first, "study.points=1")) == ["ratio.monolingual=0.3,seed=0"]


def test_tpe_comes_nearer_than_chance(tmp_path: Path) -> None:
    def value(values: dict[str, Any]) -> float:
        away = (np.log10(values["train.learning_rate"]) + 3.5) ** 2
        return float(-((values["ratio.monolingual"] - 0.3) ** 2) - away)

    best = {}
    for sampler in ("random", "tpe"):
        store = store_of(tmp_path / sampler, SPACE, "study.points=24", f"study.sampler={sampler}")
        work(store, value=value)
        late = points_of(store)[-8:]
        best[sampler] = fmean(trial.value or 0.0 for trial in late)
    assert best["tpe"] > best["random"] + 0.1


def test_a_point_is_told_the_mean_over_its_seeds_when_the_last_has_finished(tmp_path: Path) -> None:
    store = store_of(tmp_path, SPACE, "study.points=2", "study.seeds=[3,4]")
    run(store, lambda _, seed: {LOW: seed / 10}, limit=1)
    assert [trial.state for trial in points_of(store)] == [TrialState.RUNNING]
    claim = store.claim("w")
    assert claim is not None
    assert claim.point.seed == 4
    assert [trial.state for trial in points_of(store)] == [TrialState.RUNNING]
    store.finish(claim, found(claim.point.key, **{LOW: 0.4}))
    failed = [store.claim("w"), store.claim("v")]
    assert [trial.value for trial in points_of(store)] == [pytest.approx(0.35), None]
    for claim in failed:
        assert claim is not None
        store.fail(claim, "broken")
    assert store.claim("w") is None
    assert [trial.state for trial in points_of(store)] == [TrialState.COMPLETE, TrialState.FAIL]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_kill_while_a_point_is_asked_for_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    search = [SPACE, "study.points=6", f"study.sampler={sampler}"]
    whole = work(store_of(tmp_path / "a", *search))

    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    drawn = 0

    def killed_after_the_first(*arguments: Any) -> Any:
        nonlocal drawn
        drawn += 1
        return suggest(*arguments) if drawn == 1 else killed()

    moments: list[tuple[str, str, Callable[..., Any]]] = [
        ("asking", "suggest", killed),
        ("asking", "suggest", killed_after_the_first),
        ("relational", "insert_trials", killed),
        ("asking", "Point.to_json", killed),
    ]
    done: list[str] = []
    for module, name, fault in (moments * 2)[:6]:
        drawn = 0
        store = store_of(tmp_path / "b", *search)
        with monkeypatch.context() as patch:
            patch.setattr(f"sweep.study.{module}.{name}", fault)
            with pytest.raises(Killed):
                store.claim("w")
        done += run(store_of(tmp_path / "b", *search), lambda *_: {LOW: 0.5}, limit=1)
    assert done == whole
    assert len(points_of(store_of(tmp_path / "b", *search))) == 6


def test_two_workers_search_different_points(tmp_path: Path) -> None:
    store, other = (store_of(tmp_path, SPACE, "study.points=12") for _ in range(2))
    run(store, lambda values, _: {LOW: values["ratio.monolingual"]}, limit=6)
    claims = [each.claim(name) for name in ("a", "b") for each in (store, other)]
    values = [claim.point.values["ratio.monolingual"] for claim in claims if claim is not None]
    assert len(values) == len(set(values)) == 4


CONDITIONAL = (
    "study.space={ratio.language_sampling: {%s: [uniform, temperature]}, "
    "ratio.temperature: {%s, when: {ratio.language_sampling: temperature}}}"
)


def test_a_conditional_path_exists_only_where_it_means_something(tmp_path: Path) -> None:
    grid = settings_of(CONDITIONAL % ("grid", "grid: [2.0, 3.0]"))
    assert [point.values for point in grid_points(grid.study)] == [
        {"ratio.language_sampling": "uniform"},
        {"ratio.language_sampling": "temperature", "ratio.temperature": 2.0},
        {"ratio.language_sampling": "temperature", "ratio.temperature": 3.0},
    ]
    search = CONDITIONAL % ("choice", "float: [1, 5]")
    store = store_of(tmp_path, search, "study.points=8")
    keys = work(store)
    assert any("ratio.temperature" in key for key in keys)
    uniform = [key for key in keys if "sampling=uniform" in key]
    assert uniform == ["ratio.language_sampling=uniform,seed=0"]  # without its temperature it is one point
    overrides = [search, "study.points=8"]
    check_space(Composer("sweep", overrides), settings_of(*overrides))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("a: {choice: [1], when: {b: 1}}, b: {choice: [1]}", "'b' is not a searched path before 'a'"),
        ("b: {choice: [1]}, a: {choice: [1], when: {b: 2}}", "'b' cannot be 2"),
        ("b: {float: [0, 1]}, a: {choice: [1], when: {b: [0.5, 3]}}", "'b' cannot be 3"),
    ],
)
def test_conditions_that_cannot_hold_are_refused(space: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        settings_of(f"study.space={{{space}}}", "study.points=1")


TWO = f"study.objectives=[{{metric: {MONO}, direction: maximize}}, {{metric: {LOW}, direction: maximize}}]"


def conflict(values: dict[str, Any], _: int) -> dict[str, float]:
    """A front along the ratio; a learning rate away from 1e-3 makes both worse."""
    worse = abs(np.log10(values["train.learning_rate"]) + 3) / 4
    return {MONO: values["ratio.monolingual"] - worse, LOW: 1 - values["ratio.monolingual"] - worse}


@pytest.mark.parametrize("sampler", ["tpe", "nsga3"])
def test_several_objectives_have_a_front(sampler: str, tmp_path: Path) -> None:
    store = store_of(tmp_path, SPACE, TWO, "study.points=10", f"study.sampler={sampler}")
    run(store, conflict)
    records = store.view.records()
    kept = front_of(rows_of(records), store.settings.objectives)
    assert kept is not None
    values = [record.values for record in records]
    undominated = {
        one for one in values if not any(other != one and (np.array(other) >= one).all() for other in values)
    }
    assert {tuple(point.values) for point in kept.points} == undominated
    assert store.view.best_keys() == {record.key for record in records if record.values in undominated}
    console = Console(width=120, record=True)
    print_front(console, kept, store.settings.objectives)
    assert f"Pareto front: {len(kept.points)} of 10 points are not dominated" in console.export_text()


def test_what_several_objectives_cannot_have_is_refused() -> None:
    for override, said in (
        ("study.sampler=cmaes", "cmaes has one objective"),
        ("study.pruner.kind=median", "pruning needs one objective"),
        ("study.seed_policy=stop_when_worse", "needs one objective"),
    ):
        with pytest.raises(InputError, match=said):
            settings_of(SPACE, TWO, "study.points=3", override)


BOUND = f"study.constraints=[{{metric: {MONO}, not_below: {{of: {{ratio.monolingual: 1.0}}, by: 0.1}}}}]"


def test_a_search_with_a_reference_begins_with_it_and_keeps_to_its_bound(tmp_path: Path) -> None:
    search = [SPACE, BOUND, "study.points=10", "study.seeds=[0,1]"]
    store = store_of(tmp_path, *search)

    def metrics(values: dict[str, Any], _: int) -> dict[str, float]:
        return {MONO: values["ratio.monolingual"], LOW: 1 - values["ratio.monolingual"]}

    keys = run(store, metrics)
    assert len(keys) == 20
    assert keys[0].startswith("ratio.monolingual=1,")
    records = store.view.records()
    for record in records:
        assert record.violation == pytest.approx(max(0.0, 0.9 - record.parameters["ratio.monolingual"]))
    assert any(record.violation > 0 for record in records)
    feasible = [record for record in records if record.violation == 0]
    best = best_of(rows_of(records), store.settings.objectives[0])
    assert best is not None
    assert best.records[0].value == max(record.value or 0 for record in feasible)
    assert store.view.best_keys() <= {record.key for record in feasible}
    beyond = found("x", **{MONO: 0.2, LOW: 0.99})
    within = found("x", **{MONO: 0.95, LOW: 0.99})
    point = Point({"ratio.monolingual": 0.2, "train.learning_rate": 0.001}, 0)
    assert (store.view.would_be_kept(point, beyond), store.view.would_be_kept(point, within)) == (False, True)
    told = [trial.constraints for trial in points_of(store)]
    assert all(len(constraints) == 1 for constraints in told)


def test_a_search_begins_with_the_points_that_are_given(tmp_path: Path) -> None:
    """What they leave open is drawn; a bound's reference is not run twice; points may be added later."""
    first = "study.first_points=[{ratio.monolingual: 1, train.learning_rate: 0.001}, {ratio.monolingual: 0.25}]"

    def metrics(values: dict[str, Any], _: int) -> dict[str, float]:
        return {MONO: values["ratio.monolingual"]}

    keys = run(store_of(tmp_path, SPACE, BOUND, first, "study.points=4"), metrics, limit=1)
    keys += run(store_of(tmp_path, SPACE, BOUND, first, "study.points=4"), metrics)
    assert keys[0] == "ratio.monolingual=1,train.learning_rate=0.001,seed=0"
    assert keys[1].startswith("ratio.monolingual=0.25,train.learning_rate=0.00")
    assert len(set(keys)) == 4
    assert sum(key.startswith("ratio.monolingual=1,") for key in keys) == 1
    later = "study.first_points=[{ratio.monolingual: 0.75}]"
    (key,) = run(store_of(tmp_path, SPACE, BOUND, later, "study.points=5"), metrics)
    assert key.startswith("ratio.monolingual=0.75,")
    run(store_of(tmp_path / "other", SPACE, first, "study.points=2"), metrics, limit=1)
    (other,) = run(store_of(tmp_path / "other", SPACE, later, "study.points=2"), metrics)
    assert other.startswith("ratio.monolingual=0.75,")  # the second one of before was not asked for any more
    for wrong, said in (
        ("ratio.monolingual: 2", "ratio.monolingual=2 is not in"),
        ("seed: 1", "'seed' is not search"),
    ):
        with pytest.raises(InputError, match=f"first_points: {said}"):
            settings_of(SPACE, "study.points=5", f"study.first_points=[{{{wrong}}}]")


def test_absolute_bounds_in_a_grid(tmp_path: Path) -> None:
    bounds = f"study.constraints=[{{metric: {MONO}, at_least: 0.3}}, {{metric: {MONO}, at_most: 0.7}}]"
    store = store_of(tmp_path, "study.space={ratio.monolingual: {grid: [0, 0.5, 1.0]}}", bounds)
    run(store, lambda values, _: {MONO: values["ratio.monolingual"], LOW: values["ratio.monolingual"]})
    assert [round(record.violation, 6) for record in store.view.records()] == [0.3, 0.0, 0.3]
    assert store.view.best_keys() == {"ratio.monolingual=0.5,seed=0"}
    with pytest.raises(InputError, match="exactly one of at_least, at_most, not_below"):
        settings_of(f"study.constraints=[{{metric: {MONO}}}]")
    with pytest.raises(InputError, match=r"not_below\.of names 'train\.steps', which study\.space does not search"):
        settings_of(f"study.constraints=[{{metric: {MONO}, not_below: {{of: {{train.steps: 1}}, by: 0.1}}}}]")
