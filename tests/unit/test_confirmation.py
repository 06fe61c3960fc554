"""The best points of a search get further seeds when all of its points are done."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from rich.console import Console
from tests.unit.test_compare import result as write_ranks
from tests.unit.test_search import LOW, MONO, found, points_of, run
from tests.unit.test_study import settings_of, store_of

from sweep.answer.points import best_of, front_of
from sweep.answer.points import points_of as rows_of
from sweep.answer.study_answer import study_answer
from sweep.errors import InputError
from sweep.evaluation.summarise import Evaluated
from sweep.records.table import TrialsTable
from sweep.report.card import model_card
from sweep.report.terminal import print_answer
from sweep.settings import Settings
from sweep.study.point import Point
from sweep.study.store import StudyStore
from sweep.study.wanted import planned_trials

SPACE = "study.space={ratio.monolingual: {float: [0, 1]}}"
SEARCH = [SPACE, "study.points=5", "study.seeds=[0,1]", "study.confirm={points: 2, seeds: 4}"]
Figures = Callable[[dict[str, Any], int], dict[str, float]]


def figures(values: dict[str, Any], seed: int) -> dict[str, float]:
    """Best at .3 by the search's seeds; further seeds say that what is further away is better."""
    distance = abs(values["ratio.monolingual"] - 0.3)
    return {LOW: -distance if seed < 2 else 10 * distance}


def best_ratios(store: StudyStore) -> list[str]:
    """The points by what the search's seeds say, best first, by their keys without the seed."""
    begun = dict.fromkeys(trial.point.without_seed for trial in store.view.trials().values())
    values = {key: Point.from_json(trial.attributes["point"]).values["ratio.monolingual"]
              for trial in store.view.trials().values() for key in [trial.point.without_seed]}  # fmt: skip
    return sorted(begun, key=lambda key: abs(values[key] - 0.3))


def test_the_best_points_get_further_seeds_after_the_last_point(tmp_path: Path) -> None:
    store = store_of(tmp_path, *SEARCH)
    assert planned_trials(store.settings) == store.view.target == 14
    keys = run(store, figures)
    assert [key.rpartition("=")[2] for key in keys[:10]] == ["0", "1"] * 5
    best = best_ratios(store)[:2]
    assert keys[10:] == [f"{key.removesuffix('0')}{seed}" for key in best for seed in (2, 3)]
    assert (store.view.target, store.view.finished(), store.view.unfinished()) == (14, 14, False)
    assert store.claim("w") is None


def test_what_is_confirmed_and_drawn_does_not_depend_on_interruptions(tmp_path: Path) -> None:
    whole = run(store_of(tmp_path / "a", *SEARCH), figures)
    for pieces in (1, 3):
        done: list[str] = []
        while more := run(store_of(tmp_path / f"b{pieces}", *SEARCH), figures, limit=pieces):
            done += more
        assert done == whole


@pytest.mark.parametrize("moment", ["relational.insert_trials", "wanted.points_to_confirm"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_kill_while_points_are_confirmed_loses_and_repeats_nothing(
    moment: str, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(store_of(tmp_path / "a", *SEARCH), figures)
    done = run(store_of(tmp_path / "b", *SEARCH), figures, limit=10)

    class Killed(BaseException):
        pass

    module, name = moment.split(".")
    real = getattr(__import__(f"sweep.study.{module}", fromlist=[name]), name)
    calls = []

    def killed(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        if len(calls) == nth:
            raise Killed
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(f"sweep.study.{module}.{name}", killed)
        try:
            done += run(store_of(tmp_path / "b", *SEARCH), figures)
        except Killed:
            done = [
                record.key
                for record in store_of(tmp_path / "b", *SEARCH).view.records()
                if record.state == "COMPLETE"
            ]
            assert len(done) < 14
    again = store_of(tmp_path / "b", *SEARCH)
    done += run(again, figures)
    assert sorted(done) == sorted(whole)
    assert len(again.view.trials()) == 14


def test_a_killed_confirmation_is_taken_over_under_its_key(tmp_path: Path) -> None:
    store = store_of(tmp_path, *SEARCH)
    run(store, figures, limit=10)
    claim = store.claim("w")
    assert claim is not None
    assert claim.point.seed == 2
    other = store_of(tmp_path, *SEARCH, alive=lambda worker: worker != "w")
    taken = other.claim("v")
    assert taken is not None
    assert (taken.point.key, taken.number, taken.attempt) == (claim.point.key, claim.number, 2)


def test_the_sampler_is_told_the_searchs_seeds_alone_and_draws_on_when_points_are_added(tmp_path: Path) -> None:
    plain = [SPACE, "study.points=5", "study.seeds=[0,1]"]
    store, without = store_of(tmp_path / "a", *SEARCH), store_of(tmp_path / "b", *plain)
    run(store, figures)
    run(without, figures)
    assert [trial.value for trial in points_of(store)] == [trial.value for trial in points_of(without)]
    more = ["study.points=7"]
    longer, other = store_of(tmp_path / "a", *SEARCH, *more), store_of(tmp_path / "b", *plain, *more)
    assert longer.view.target == 7 * 2 + 2 * 2  # the best of seven are not known yet
    keys = run(longer, figures)
    assert keys[:4] == run(other, figures)
    assert {trial.state for trial in points_of(longer)} == {TrialState.COMPLETE}
    best = best_ratios(longer)[:2]
    wanted = {f"{key.removesuffix('0')}{seed}" for key in best for seed in (2, 3)}
    assert wanted <= set(longer.view.trials())
    assert not longer.view.unfinished()


def test_a_relative_constraint_is_told_from_the_searchs_seeds(tmp_path: Path) -> None:
    def measured(values: dict[str, Any], seed: int) -> dict[str, float]:
        return {LOW: values["ratio.monolingual"], MONO: 0.5 if seed < 2 else 0.9}

    bound = "study.constraints=[{metric: cldr/mono/map, not_below: {of: {ratio.monolingual: 1.0}, by: 0.1}}]"
    store = store_of(tmp_path, *SEARCH, bound)
    run(store, measured)
    run(store_of(tmp_path, *SEARCH, bound, "study.points=6"), measured)
    assert [list(trial.constraints.values()) for trial in points_of(store)] == [[pytest.approx(-0.1)]] * 6


def test_fewer_points_than_planned_may_be_worth_it(tmp_path: Path) -> None:
    """A point with a FAILED seed, or one that breaks a constraint, is not confirmed; the target knows."""
    bound = "study.constraints=[{metric: cldr/mono/map, at_least: 0.4}]"
    store = store_of(tmp_path, *SEARCH, bound)
    begun: list[str] = []
    while (claim := store.claim("w")) is not None:
        if claim.point.without_seed not in begun:
            begun.append(claim.point.without_seed)
        place = begun.index(claim.point.without_seed)
        if place < 3 and claim.point.seed == 1:
            store.fail(claim, "broken")
        else:
            store.finish(claim, found(claim.point.key, **{MONO: 0.3 if place == 3 else 0.5}))
    assert (store.view.target, store.view.remaining(), store.view.unfinished()) == (12, 0, False)
    (confirmed,) = store.view.wanted.confirmed(store.view.trials()) or ()
    assert confirmed.without_seed == begun[4]
    # Once they are tried again it is open who is confirmed; the trials that are there stay.
    retried = store_of(tmp_path, *SEARCH, bound, "study.retry_failed=true")
    assert (retried.view.target, retried.view.remaining()) == (14, 7)
    run(retried, lambda *_: {LOW: 0.7})
    assert (retried.view.finished(), retried.view.target, retried.view.unfinished()) == (14, 14, False)


def test_nothing_is_confirmed_when_no_point_is_whole(tmp_path: Path) -> None:
    store = store_of(tmp_path, *SEARCH)
    while (claim := store.claim("w")) is not None:
        store.fail(claim, "broken")
    assert (store.view.target, store.view.unfinished()) == (10, False)


def test_several_objectives_confirm_the_front(tmp_path: Path) -> None:
    aims = f"study.objectives=[{{metric: {MONO}, direction: maximize}}, {{metric: {LOW}, direction: maximize}}]"

    def both(values: dict[str, Any], _: int) -> dict[str, float]:
        ratio = values["ratio.monolingual"]
        return {MONO: ratio, LOW: 1 - ratio if ratio > 0.5 else ratio - 1}  # up to a half everything is dominated

    store = store_of(
        tmp_path, SPACE, "study.points=8", aims, "study.sampler=random", "study.confirm={points: 3, seeds: 2}"
    )
    run(store, both)
    ratios = [point.values["ratio.monolingual"] for point in store.view.wanted.confirmed(store.view.trials()) or ()]
    on_front = sorted({trial.point.values["ratio.monolingual"] for trial in store.view.trials().values()
                       if trial.point.values["ratio.monolingual"] > 0.5}, reverse=True)  # fmt: skip
    assert len(on_front) >= 3
    assert ratios == on_front[:3]
    front = front_of(rows_of(store.view.records(), store.settings.confirmed_seeds), store.settings.objectives)
    assert front is not None
    assert sorted(point.parameters["ratio.monolingual"] for point in front.points) == sorted(ratios)
    assert front.lacking == 5


def test_only_a_confirmed_point_can_be_the_best(tmp_path: Path) -> None:
    store = store_of(tmp_path, *SEARCH)
    run(store, figures, limit=10)
    seeds = store.settings.confirmed_seeds
    objective = store.settings.objectives[0]
    before = best_of(rows_of(store.view.records(), seeds), objective)
    assert before is not None
    assert Point(dict(before.parameters), 0).key == best_ratios(store)[0]
    run(store, figures)
    rows = rows_of(store.view.records(), seeds)
    assert sorted(row.lacks for row in rows) == [0, 0, 2, 2, 2]
    best = best_of(rows, objective)
    assert best is not None
    assert len(best.records) == 4
    confirmed = [row for row in rows if row.may_win]
    assert best.value == max(row.value for row in confirmed)
    assert {Point(dict(row.parameters), 0).key for row in confirmed} == set(best_ratios(store)[:2])

    TrialsTable(store.folder.trials_csv).update(store.view.records())
    console = Console(file=StringIO(), width=200)
    answer = study_answer(store.folder, store.view.records(), "cldr", store.settings.objectives, None, store.settings)
    print_answer(console, answer)
    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert printed.count(" 2 of 4 ") == 3
    assert "Confirmed with further seeds: 2 of 5 points; no other can be the best." in printed
    assert f"{best.text} with {best.value:.3f}" in printed
    assert "chosen among 5" in printed


def test_the_model_of_the_best_confirmed_point_is_there_at_the_end(tmp_path: Path) -> None:
    """As a worker keeps and removes them; the search's own best is not the best in the end."""
    store = store_of(tmp_path, *SEARCH)
    models: set[str] = set()
    while (claim := store.claim("w")) is not None:
        outcome = found(claim.point.key, **figures(claim.point.values, claim.point.seed))
        if store.view.would_be_kept(claim.point, outcome):
            models.add(outcome.key)
        store.commit_result(claim, lambda outcome=outcome: store.folder.trial(outcome.key).write_result(outcome))  # type: ignore[misc]
        store.finish(claim, outcome)
        models = store.view.first_of_best(models)
    rows = rows_of(store.view.records(), store.settings.confirmed_seeds)
    best = best_of(rows, store.settings.objectives[0])
    assert best is not None
    (kept,) = models
    assert kept in {record.key for record in best.records}
    assert Point(dict(best.parameters), 0).key != best_ratios(store)[0]  # else this would show nothing


def test_further_seeds_run_whatever_the_policy_and_the_pruner_say(tmp_path: Path) -> None:
    aim = "study.objectives=[{metric: toy/pooled/map, direction: maximize}]"
    stop = ["study.seeds=[0,1,2]", "study.seed_policy=stop_when_worse", "study.confirm={points: 3, seeds: 4}"]
    store = store_of(tmp_path, SPACE, "study.points=3", aim, *stop)
    seeds: list[int] = []
    while (claim := store.claim("w")) is not None:
        first = claim.point.values == next(iter(store.view.trials().values())).point.values
        noise = 0.5 if first else 0.6
        write_ranks(store.folder.trial(claim.point.key).path, noise, claim.point.seed)
        store.finish(claim, found(claim.point.key, **{"toy/pooled/map": 1 / noise}))
        seeds.append(claim.point.seed)
    assert seeds == [0, 1, 2, 0, 1, 0, 1, 3]  # the claim that stops the last points finds out that the search is done
    assert not store.view.unfinished()
    pruned = store_of(
        tmp_path / "p", *SEARCH, "study.pruner.kind=median", "study.pruner.startup_trials=1",
        "train.validation.every_steps=10",
    )  # fmt: skip
    verdicts: dict[bool, list[bool]] = {False: [], True: []}
    value = 1.0
    while (claim := pruned.claim("w")) is not None:
        value -= 0.01  # each is behind all before it
        verdicts[claim.point.seed > 1].append(pruned.report(claim, 10, value))
        pruned.finish(claim, found(claim.point.key))
    assert any(verdicts[False])
    assert verdicts[True] == [False] * 4


def test_what_confirms_is_for_searches_and_needs_more_seeds() -> None:
    with pytest.raises(
        InputError, match=r"confirm belongs to a search, and this space is a grid; study\.confirm=null"
    ):
        settings_of("study.space={ratio.monolingual: {grid: [0, 1]}}", "study.confirm={points: 2, seeds: 4}")
    for seeds, further in (("[0,1]", (2, 3)), ("[7,3]", (8, 9)), ("[0,1,2,3]", ()), ("[0,1,2,3,4]", ())):
        study = settings_of(
            SPACE, "study.points=3", f"study.seeds={seeds}", "study.confirm={points: 2, seeds: 4}"
        ).study
        assert study.further_seeds == further
        assert study.confirmed_seeds == ((*study.seeds, *further) if further else ())
        assert planned_trials(study) == 3 * len(study.seeds) + 2 * len(further)


def test_the_card_tells_how_the_point_was_chosen() -> None:
    def text(*overrides: str) -> str:
        settings: Settings = settings_of(*overrides)
        metrics = {"cldr/mono/map": 0.25, "cldr+report/mono/map": 0.5}
        evaluated = Evaluated(metrics, {key: (value, value) for key, value in metrics.items()})
        return " ".join(model_card(settings, "k", evaluated, None).split())

    whole, half = text(*SEARCH), text(*SEARCH, "study.select_on=half")
    among = "Chosen among 5 points, each with 2 seeds, by the mean over seeds of"
    assert f"{among} {LOW} (maximize), and among the best 2 of them by that over 4." in whole
    assert "| mono mAP | 0.2500 |" in whole
    assert f"{among} cldr+select/pooled/alignment_consistency/low (maximize)" in half
    assert "on the half of its questions that nothing was chosen by" in half
    assert "| mono mAP | 0.5000 |" in half
