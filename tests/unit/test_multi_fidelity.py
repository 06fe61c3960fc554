"""What is not run to its end: seeds of clearly worse points, and pruned trials; and what another study ran."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon
from tests.unit.test_compare import result as write_ranks
from tests.unit.test_search import LOW, MONO, found, points_of
from tests.unit.test_study import WHOLE, settings_of, store_of

from sweep.errors import InputError
from sweep.records.data_record import DataRecord, DataRole, write_records
from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.statistics.looks import share_of_look
from sweep.study.point import Point
from sweep.study.store import StudyStore
from sweep.study.warm_start import warm_start

# Seeds, one after another -------------------------------------------------------------------------------------

RATIOS = "study.space={ratio.monolingual: {grid: [0.5, 0.0, 1.0]}}"
STOP = ["study.seeds=[0,1,2]", "study.seed_policy=stop_when_worse"]
MAP = "study.objectives=[{metric: toy/pooled/map, direction: maximize}]"
NOISE = {0.5: 1.0, 0.0: 1.0, 1.0: 4.0}  # 0 answers like 0.5, 1 clearly worse


def run_with_ranks(store: StudyStore, limit: int = 99) -> list[str]:
    keys: list[str] = []
    while len(keys) < limit and (claim := store.claim("w")) is not None:
        noise = NOISE[claim.point.values["ratio.monolingual"]]
        write_ranks(store.folder.trial(claim.point.key).path, noise, claim.point.seed)
        store.finish(claim, found(claim.point.key, **{"toy/pooled/map": 1 / noise}))
        keys.append(claim.point.key)
    return keys


def test_a_clearly_worse_point_runs_no_more_seeds(tmp_path: Path) -> None:
    store = store_of(tmp_path, RATIOS, MAP, *STOP)
    keys = run_with_ranks(store)
    counts = {alpha: sum(f"={alpha}," in key for key in keys) for alpha in ("0.5", "0", "1")}
    assert counts == {"0.5": 3, "0": 3, "1": 2}  # after one seed nothing is known of the others
    records = {record.key: record for record in store.view.records()}
    stopped = records["ratio.monolingual=1,seed=2"]
    assert stopped.state == "PRUNED"
    assert str(stopped.reason).startswith("not run: after 2 of 3 seeds worse than ratio.monolingual=0")
    assert "(p = 0.0" in str(stopped.reason)
    assert (store.view.finished(), store.view.target, store.view.unfinished()) == (9, 9, False)
    assert store.claim("w") is None


def test_all_seeds_run_without_the_policy_or_without_evidence(tmp_path: Path) -> None:
    assert len(run_with_ranks(store_of(tmp_path / "a", RATIOS, MAP, "study.seeds=[0,1,2]"))) == 9
    assert len(run_with_ranks(store_of(tmp_path / "b", RATIOS, MAP, *STOP, "study.worse_p=1e-20"))) == 9


def test_a_points_seeds_run_one_after_another(tmp_path: Path) -> None:
    store = store_of(tmp_path, RATIOS, MAP, *STOP)
    claims = [store.claim(f"w{index}") for index in range(4)]
    seeds = [(claim.point.values["ratio.monolingual"], claim.point.seed) for claim in claims if claim is not None]
    assert seeds == [(0.5, 0), (0.0, 0), (1.0, 0)]
    assert store.view.unfinished()


def test_a_search_is_told_what_a_dropped_point_lacks(tmp_path: Path) -> None:
    """It is PRUNED for the sampler, whatever the mean of the seeds that ran: it cannot be the best."""
    space = "study.space={ratio.monolingual: {choice: [0.0, 0.5, 1.0]}}"
    first = "study.first_points=[{ratio.monolingual: 0.0}, {ratio.monolingual: 0.5}]"
    store = store_of(tmp_path, space, MAP, *STOP, first, "study.points=3", "study.sampler=brute_force")
    run_with_ranks(store)
    assert store.view.finished() == store.view.target == 9
    states = {trial.user_attrs["point"]: trial.state.name for trial in points_of(store)}
    stopped = {record.parameters["ratio.monolingual"] for record in store.view.records() if record.state == "PRUNED"}
    assert stopped == {1.0}
    for point, state in states.items():
        ratio = Point.from_json(point).values["ratio.monolingual"]
        assert state == ("PRUNED" if ratio in stopped else "COMPLETE")


# Pruning ------------------------------------------------------------------------------------------------------


def finished_with(store: StudyStore, values: list[float], questions: list[float] | None = None) -> None:
    """A finished trial that reported these values at steps 10, 20 ..."""
    claim = store.claim("w")
    assert claim is not None
    for place, value in enumerate(values, start=1):
        asked = None if questions is None else np.array(questions) + value
        assert not store.report(claim, 10 * place, value, asked)
    store.finish(claim, found(claim.point.key, **{LOW: values[-1]}))


VALIDATED = "train.validation.every_steps=1"
SIX = "study.space={train.steps: {grid: [50, 60, 70, 80, 90, 100]}}"


@pytest.mark.parametrize(
    ("pruner", "value", "pruned"),
    [
        (["median", "startup_trials=2"], 0.4, True),
        (["median", "startup_trials=2"], 0.85, False),
        (["median", "startup_trials=9"], 0.1, False),
        (["median", "startup_trials=2", "warmup_steps=10"], 0.1, False),
        (["percentile", "startup_trials=2", "percentile=25"], 0.82, True),
        (["percentile", "startup_trials=2", "percentile=99"], 0.7, False),
        (["asha", "min_resource=10", "reduction_factor=3"], 0.1, True),
        (["asha", "min_resource=10", "reduction_factor=3"], 0.99, False),
        (["hyperband", "min_resource=10", "max_resource=20"], 0.99, False),
        (["none"], 0.0, False),
    ],
)
def test_pruners_judge_a_trial_by_the_others_at_its_step(
    pruner: list[str], value: float, pruned: bool, tmp_path: Path
) -> None:
    kind, *more = pruner
    given = [VALIDATED, f"study.pruner.kind={kind}", *(f"study.pruner.{setting}" for setting in more)]
    store = store_of(tmp_path, SIX, *given)
    for end in (0.9, 0.8, 0.6):  # the best first: a later one must not be pruned
        if kind in ("asha",):
            end = 1.5 - end
        claim = store.claim("w")
        assert claim is not None
        store.report(claim, 10, end)
        store.finish(claim, found(claim.point.key, **{LOW: end}))
    claim = store.claim("w")
    assert claim is not None
    assert store.report(claim, 10, value) == pruned
    assert store_of(tmp_path, SIX, *given).report(claim, 10, value) == pruned  # after a kill, the same step again


def test_a_pruned_trial_counts_and_stays_pruned(tmp_path: Path) -> None:
    store = store_of(tmp_path, SIX, VALIDATED, "study.pruner.kind=median", "study.pruner.startup_trials=1")
    finished_with(store, [0.5, 0.6])
    claim = store.claim("w")
    assert claim is not None
    assert store.report(claim, 10, 0.1)
    store.prune(claim, "worse than the median at step 10")
    (record,) = [record for record in store.view.records() if record.state == "PRUNED"]
    assert (record.key, record.reason) == (claim.point.key, "worse than the median at step 10")
    assert store.view.finished() == 2
    later = store.claim("w")
    assert later is not None
    assert later.point.key != claim.point.key


@pytest.mark.parametrize(("shift", "pruned"), [(-0.2, True), (0.0, False), (0.2, False)])
def test_wilcoxon_compares_questions_with_the_best_trials(shift: float, pruned: bool, tmp_path: Path) -> None:
    given = [
        VALIDATED,
        "study.pruner.kind=wilcoxon",
        "study.pruner.startup_trials=2",
        "study.seeds=[0,1]",
    ]
    store = store_of(tmp_path, SIX, *given)
    question_q = np.random.default_rng(0).normal(size=40)
    for values in ([0.3, 0.2], [0.301, 0.2], [0.5, 0.6], [0.499, 0.6]):
        finished_with(store, values, list(question_q))
    claim = store.claim("w")
    assert claim is not None
    own_q = question_q + 0.5 + shift + 0.3 * np.random.default_rng(1).normal(size=40)
    own_q[3] = np.nan
    assert store.report(claim, 10, 0.5 + shift, own_q) == pruned
    assert not store.report(claim, 30, -9.0, question_q - 9)  # a step that the best trial did not have
    assert (store.folder.trial(claim.point.key).validation / "10.npy").exists()


def test_wilcoxon_knows_that_other_seeds_differ(tmp_path: Path) -> None:
    """A gap as large as between two seeds of one point is no reason to give a trial up; a larger one is."""
    given = [
        VALIDATED, "study.space={train.steps: {grid: [50, 60, 70]}}", "study.seeds=[0,1,2,3]",
        "study.pruner.kind=wilcoxon", "study.pruner.startup_trials=1",
    ]  # fmt: skip
    store = store_of(tmp_path, *given)
    question_g = np.random.default_rng(0).normal(size=200)
    claim = store.claim("w")
    assert claim is not None
    store.report(claim, 10, 0.5, question_g + 0.5)
    store.finish(claim, found(claim.point.key, **{LOW: 0.5}))
    claim = store.claim("w")
    assert claim is not None
    assert not store.report(claim, 10, -9.0, question_g - 9)  # nothing is known of seeds yet
    store.report(claim, 10, 0.4, question_g + 0.4)
    store.finish(claim, found(claim.point.key, **{LOW: 0.4}))
    for value in (0.45, 0.55):
        finished_with(store, [value], list(question_g))
    claim = store.claim("w")
    assert claim is not None
    own_g = question_g + 0.03 * np.random.default_rng(1).normal(size=200)
    assert not store.report(claim, 10, 0.4, own_g + 0.4)
    assert store.report(claim, 20, 0.0, own_g) is False  # no other trial at that step
    assert store.report(claim, 10, -3.0, own_g - 3.0)


def test_an_equal_trial_is_pruned_in_few_cases_however_often_it_is_looked_at(tmp_path: Path) -> None:
    """20 looks at the differences of equal trials, which go on from look to look as those of a training do."""
    rng, pruned, trials = np.random.default_rng(5), 0, 300
    for _ in range(trials):
        walk_sg = rng.normal(size=(20, 60)).cumsum(0)
        p_values = [wilcoxon(difference_g, alternative="less").pvalue for difference_g in walk_sg]
        pruned += any(p < 0.05 * share_of_look(look) for look, p in enumerate(p_values, start=1))
    assert pruned / trials <= 0.05
    assert sum(share_of_look(look) for look in range(1, 10_000)) == pytest.approx(1, abs=1e-3)


def test_wilcoxon_needs_several_seeds() -> None:
    with pytest.raises(InputError, match=r"pruner\.kind=wilcoxon compares points, for which one seed is too few"):
        load_settings(Composer("sweep", [VALIDATED, "study.pruner.kind=wilcoxon"]))


def test_wilcoxon_minimises_too(tmp_path: Path) -> None:
    objective = "study.objectives=[{metric: cldr/pooled/rank_distance, direction: minimize}]"
    given = [
        objective, VALIDATED, "study.pruner.kind=wilcoxon", "study.pruner.startup_trials=1", "study.seeds=[0,1]"
    ]  # fmt: skip
    store = store_of(tmp_path, SIX, *given)
    question_q = np.arange(20.0)
    for value in (1.0, 1.001):
        claim = store.claim("w")
        assert claim is not None
        store.report(claim, 10, value, question_q + value - 1)
        store.finish(claim, found(claim.point.key, **{"cldr/pooled/rank_distance": value}))
    claim = store.claim("w")
    assert claim is not None
    assert not store.report(claim, 10, 0.0, question_q - 1)
    assert store.report(claim, 10, 2.0, question_q + 1)


def test_a_point_with_a_pruned_seed_is_told_as_pruned(tmp_path: Path) -> None:
    space = "study.space={ratio.monolingual: {float: [0, 1]}}"
    store = store_of(tmp_path, space, "study.points=1", "study.seeds=[0,1]", VALIDATED, "study.pruner.kind=median")
    finished_with(store, [0.5])
    claim = store.claim("w")
    assert claim is not None
    store.report(claim, 10, 0.25)
    store.prune(claim, "hopeless")
    assert store.claim("w") is None
    (point,) = points_of(store)
    assert (point.state.name, point.value) == ("PRUNED", 0.25)


# Warm start ---------------------------------------------------------------------------------------------------


def started(tmp_path: Path, name: str, *overrides: str, data: Sequence[DataRecord] = ()) -> tuple[StudyStore, int]:
    """A study with what it took over, ready to be run."""
    composer = Composer("sweep", [WHOLE, f"study.name={name}", *overrides])
    settings = load_settings(composer)
    store = StudyStore(StudyFolder(tmp_path / name), settings.study, lambda _: True)
    store.check_settings(settings)
    adopted = warm_start(store, settings, lambda point: load_settings(composer, point), data)
    store.enqueue()
    return store, adopted


def run_all(store: StudyStore, *overrides: str) -> list[str]:
    """Run with real fingerprints; the value is the ratio."""
    composer, keys = Composer("sweep", [WHOLE, f"study.name={store.settings.name}", *overrides]), []
    while (claim := store.claim("w")) is not None:
        settings = load_settings(composer, claim.point.assignments)
        ratio = settings.ratio.monolingual
        outcome = TrialResult(
            claim.point.key, settings.trial_fingerprint(), {LOW: ratio, MONO: ratio}, 0.1, 1.0, {}, 0, {}
        )
        store.folder.trial(claim.point.key).write_result(outcome)
        store.finish(claim, outcome)
        keys.append(claim.point.key)
    return keys


OLD = ["study.space={ratio.monolingual: {grid: [0.0, 0.5]}}", "study.seeds=[0,1]"]


def test_a_grid_takes_over_trials_that_are_its_own(tmp_path: Path) -> None:
    old, _ = started(tmp_path, "old", *OLD)
    run_all(old, *OLD)
    wide = [
        "study.space={ratio.monolingual: {grid: [0.5, 1.0]}, train.steps: {grid: [180, 200]}}", "study.seeds=[0,1]",
        "study.warm_start=old",
    ]  # fmt: skip
    new, adopted = started(tmp_path, "new", *wide)
    assert adopted == 2
    records = [record for record in new.view.records() if record.state == "COMPLETE"]
    assert [record.key for record in records] == [
        "ratio.monolingual=0.5,train.steps=180,seed=0", "ratio.monolingual=0.5,train.steps=180,seed=1",
    ]  # fmt: skip
    assert [record.metrics[LOW] for record in records] == [0.5, 0.5]
    assert started(tmp_path, "new", *wide)[1] == 0  # once
    assert len(run_all(new, *wide)) == 6
    assert (new.view.finished(), new.view.target) == (8, 8)


def test_a_search_knows_the_points_and_keeps_its_target(tmp_path: Path) -> None:
    old, _ = started(tmp_path, "old", *OLD)
    run_all(old, *OLD)
    search = [
        "study.space={ratio.monolingual: {float: [0.2, 1.0]}}", "study.points=3", "study.warm_start=old",
        "study.search_seed=4",
    ]  # fmt: skip
    new, adopted = started(tmp_path, "new", *search)
    assert adopted == 1  # 0 is not in the space
    (known,) = points_of(new)
    assert (known.params, known.value) == ({"ratio.monolingual": 0.5}, 0.5)
    assert len(run_all(new, *search)) == new.view.target == new.view.finished() == 3
    assert len(points_of(new)) == 4


def test_a_study_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    old, _ = started(tmp_path, "old", *OLD)
    run_all(old, *OLD)
    with pytest.raises(InputError, match=r"train\.batch_size: 96 in the study, 32 now"):
        started(tmp_path, "new", *OLD, "train.batch_size=32", "study.warm_start=old")
    with pytest.raises(InputError, match="there is no such study"):
        started(tmp_path, "new2", *OLD, "study.warm_start=older")
    with pytest.raises(InputError, match="names the study itself"):
        settings_of("study.name=a", "study.warm_start=a")


@pytest.mark.parametrize("role", ["training", "evaluation"])
def test_trials_on_other_data_are_not_taken_over(tmp_path: Path, role: DataRole) -> None:
    """Each trial says its data; where it says none, its study does; where none is recorded, they are taken over."""
    old, _ = started(tmp_path, "old", *OLD)
    keys = run_all(old, *OLD)
    then = DataRecord(role, "mine", "a/folder", ("en", "sw"), 1200, 1100, "ab" * 32, "s")
    now, other = replace(then, digest="cd" * 32), replace(then, settings="t")
    given = [*OLD, "study.warm_start=old"]
    assert started(tmp_path, "unknown", *given, data=[now])[1] == 4
    study, trial = old.folder.path, old.folder.trial(keys[-1]).path
    for name, of_study, of_trial in (("one", then, now), ("two", now, then)):
        write_records(study, [of_study, other])
        write_records(trial, [of_trial])
        with pytest.raises(InputError, match=r"study\.warm_start=old: it was run on other data: mine \(a/folder\), "):
            started(tmp_path, name, *given, data=[now])
        assert not list((tmp_path / name).glob("trials/*"))  # nothing, rather than some
        assert started(tmp_path, f"{name}_else", *given, data=[replace(now, settings="u")])[1] == 4
    write_records(study, [then])
    for key in keys:
        write_records(old.folder.trial(key).path, [now])
    assert started(tmp_path, "own", *given, data=[now])[1] == 4
