"""The sentences that a study comes to, from files of ranks on the disk."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweep.answer.claims import Claims, leader, noise, pairs_of
from sweep.answer.contents import Headline
from sweep.answer.headline import headline_of
from sweep.answer.points import best_of, front_of, points_of
from sweep.answer.ratios import certainty_of
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.wording import at_most_p, metric_words, p_words, size_words
from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.evaluation.comparison import Comparison
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import write_ranking
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State
from sweep.report.certainty import verdicts
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey
from sweep.statistics.crossed import Estimate
from sweep.statistics.power import questions_needed, seeds_needed, smallest_difference

MAXIMIZE = Objective(metric="toy/pooled/map", direction="maximize")
MINIMIZE = Objective(metric="toy/pooled/rank_distance", direction="minimize")
CODES = ("en", "de", "th")
TIERS = {"low": frozenset({"th"})}
PLANTED = {0.0: 1.2, 0.25: 0.6, 0.5: 0.4, 1.0: 2.0}  # how far the questions of each ratio stray


def toy(groups: int = 36) -> Benchmark:
    names = [f"g{number:02}" for number in range(groups)]
    return benchmark(
        "toy",
        CODES,
        [Question(group, code, "") for group in names for code in CODES],
        [Passage(f"{code}:{group}", code, "", group) for group in names for code in CODES],
        {group: {f"{code}:{group}": 1 for code in CODES} for group in names},
    )


def ranks(folder: Path, noise: float, seed: Sequence[int], bench: Benchmark) -> None:
    """Ranks of a system whose questions stray from their passages, by more with some seeds than with others."""
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    number = {group: place for place, group in enumerate(sorted({question.group for question in bench.questions}))}
    centre_gh = shared.normal(size=(len(number), 12))
    passage_dh = centre_gh[[number[passage.unit] for passage in bench.passages]]
    query_qh = centre_gh[[number[question.group] for question in bench.questions]]
    passage_dh = passage_dh + shared.normal(size=passage_dh.shape)
    query_qh = query_qh + noise * (1 + 0.05 * own.normal()) * own.normal(size=query_qh.shape)
    query_qh, passage_dh = (value / np.linalg.norm(value, axis=1, keepdims=True) for value in (query_qh, passage_dh))
    ranking = rank_parallel(
        bench, query_qh.astype(np.float32), passage_dh.astype(np.float32), np.arange(len(passage_dh))
    )
    write_ranking(folder / "ranks.parquet", ranking, TIERS)


def trial(
    folder: StudyFolder, noise: float, seed: int, state: State = "COMPLETE", **parameters: object
) -> TrialRecord:
    searched = {name.replace("__", "."): value for name, value in parameters.items()}
    key = ",".join([*(f"{path}={value}" for path, value in searched.items()), f"seed={seed}"])
    if state == "COMPLETE":
        ranks(folder.trial(key).path, noise, [seed, int(100 * noise)], toy())
    if state != "COMPLETE":
        return TrialRecord(key, seed, seed, state, searched)
    value = 1 / (1 + noise)
    return TrialRecord(key, seed, seed, state, searched, value=value, values=(value,))


def study(
    path: Path, noises: Mapping[float, float] = PLANTED, seeds: int = 3, **others: float
) -> tuple[StudyFolder, list[TrialRecord]]:
    folder = StudyFolder(path)
    return folder, [
        trial(folder, noise, seed, "COMPLETE", ratio__monolingual=ratio, **others)
        for ratio, noise in noises.items()
        for seed in range(seeds)
    ]


def answer_of(
    folder: StudyFolder,
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective] = (MAXIMIZE,),
    margin: float | None = 0.01,
) -> StudyAnswer:
    points = points_of(records)
    return StudyAnswer(
        benchmark="toy",
        objectives=tuple(objectives),
        chosen_by=objectives[0].metric,
        points=points,
        best=best_of(points, objectives[0]) if len(objectives) == 1 else None,
        front=front_of(points, objectives),
        certainty=certainty_of(folder, points, objectives[0], "toy", margin),
        baselines=(),
        failed=tuple(record for record in records if record.state == "FAILED"),
    )


def headline(answer: StudyAnswer, target: int | None = None, seeds: int = 3) -> Headline:
    finished = sum(len(point.records) for point in answer.points)
    return headline_of(answer, finished, finished if target is None else target, seeds)


def baseline(folder: StudyFolder, name: str, noise: float) -> None:
    path = folder.path / "baselines" / f"{name}-0123456789ab"
    ranks(path, noise, [9], toy())
    (path / "metrics.json").write_text("{}")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[TrialRecord]]:
    """0.5 is the best, before 0.25; 1 is the worst. `lir` lies between."""
    folder, records = study(tmp_path_factory.mktemp("planted"))
    baseline(folder, "lir", 0.9)
    return folder, records


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[TrialRecord]]:
    """Ratios that differ in their seeds alone."""
    return study(tmp_path_factory.mktemp("equal"), {0.0: 0.81, 0.5: 0.8, 1.0: 0.82})


# Several seeds ------------------------------------------------------------------------------------------------


def test_a_planted_difference_is_shown_with_its_effect(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    answer = answer_of(*planted)
    (table,) = answer.certainty.tables
    shown = headline(answer)
    assert shown.kind == "difference"
    best, references = shown.sentences
    assert table.best == (0.5,)
    assert best == "On toy, only α = 0.5 may be best for pooled mAP (95 % confidence set of 4 ratios, 3 seeds)."
    row = table.rows[2]
    one, zero, rival = row.against["1"], row.against["0"], row.against_rival
    assert one is not None
    assert zero is not None
    assert rival is not None
    (low, high), (low0, high0), (low1, high1) = one.interval, zero.interval, rival.interval
    assert references == (
        f"α = 0.5 beats all-monolingual training (α = 1; +{one.difference:.3f} [+{low:.3f}, +{high:.3f}], "
        f"{p_words(one.p_holm)}), all-cross-lingual training (α = 0; +{zero.difference:.3f} "
        f"[+{low0:.3f}, +{high0:.3f}], {p_words(zero.p_holm)}) and lir (no training; +{rival.difference:.3f} "
        f"[+{low1:.3f}, +{high1:.3f}], {p_words(rival.p_holm)}); 95 % intervals, p after Holm over 10 comparisons."
    )
    assert any("flatters" in note and f"{table.cross_fitted:.3f}" in note for note in shown.notes)


def test_less_is_better_where_a_figure_is_minimised(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    shown = headline(answer_of(*planted, [MINIMIZE]))
    assert shown.kind == "difference"
    assert "α = 0.5 may be best for rank distance (lower is better; 95 %" in shown.sentences[0]
    assert re.match(
        r"α = 0\.5 beats all-monolingual training \(α = 1; −\d+ \[−\d+, −\d+\], p.* and lir \(no training; −\d+ \[−",
        shown.sentences[1],
    )


def test_where_nothing_is_shown_it_says_so_and_how_many_seeds_would(
    equal: tuple[StudyFolder, list[TrialRecord]],
) -> None:
    answer = answer_of(*equal, margin=0.03)
    (table,) = answer.certainty.tables
    shown = headline(answer)
    assert shown.kind == "none shown"
    assert shown.sentences[0] == (
        "On toy, each of α = 0, 0.5 and 1 may be best for pooled mAP: none is shown to be worse than another "
        "(95 % confidence set of 3 ratios, 3 seeds)."
    )
    row = leader(table, MAXIMIZE)
    start = f"α = {row.ratio:g}, the best by its mean, is not shown to differ from "
    assert shown.sentences[1].startswith(start)
    assert ") or all-" in shown.sentences[1] or ") or α" in shown.sentences[1]
    hidden = noise(table)
    assert hidden is not None
    assert (hidden.systems, hidden.comparisons, hidden.groups) == (3, 3, 36)
    needed, smallest = seeds_needed(0.03, hidden), smallest_difference(hidden, 3)
    assert needed is not None
    assert 3 < needed < 100
    assert shown.sentences[2] == (
        f"To show a true difference of 0.03 with probability 0.8, each ratio would need about {needed} seeds, "
        f"{needed - 3} more; with 3 seeds the smallest such difference is {smallest:.3f}."
    )
    assert seeds_needed(0.01, hidden) is None
    times = questions_needed(0.01, hidden) / 36
    line = headline(answer_of(*equal, margin=0.01)).sentences[2]
    assert line.startswith(
        "No number of seeds would show a true difference of 0.01 with probability 0.8: that takes more questions, "
        "at least "
    )
    assert float(line.split("at least ")[1].split()[0]) == pytest.approx(times, abs=0.1)


def test_without_a_margin_it_says_what_could_have_been_seen(equal: tuple[StudyFolder, list[TrialRecord]]) -> None:
    (*_, last) = headline(answer_of(*equal, [MINIMIZE])).sentences
    assert re.fullmatch(
        r"The smallest true difference that this study would show with probability 0\.8, with 3 seeds, is \d+\.", last
    )


def test_two_seeds_know_very_roughly_how_many_would_do(tmp_path: Path) -> None:
    answer = answer_of(*study(tmp_path, {0.0: 0.81, 0.5: 0.8, 1.0: 0.82}, seeds=2), margin=0.04)
    lines = " ".join(headline(answer, seeds=2).sentences)
    assert re.search(r"each ratio would need very roughly \d+ seeds, \d+ more; with 2 seeds the smallest", lines)


def test_only_two_one_sided_tests_make_ratios_equal(equal: tuple[StudyFolder, list[TrialRecord]]) -> None:
    answer = answer_of(*equal, margin=0.2)
    shown = headline(answer)
    assert shown.kind == "equal"
    (table,) = answer.certainty.tables
    largest = max(one.estimate.p_equivalent(0.2) for one in pairs_of(table))
    assert (
        shown.sentences[1]
        == f"All ratios equal α = 0, 0.5 and 1 within 0.2 (two one-sided tests, {at_most_p(largest)})."
    )
    assert len(shown.sentences) == 2  # nothing about seeds that would be needed
    assert len(list(pairs_of(table))) == 3


def test_a_rival_that_is_not_beaten_is_named(tmp_path: Path) -> None:
    folder, records = study(tmp_path, {0.5: 0.81, 1.0: 1.6})
    baseline(folder, "lir", 0.8)
    line = headline(answer_of(folder, records)).sentences[1]
    assert line.startswith("α = 0.5 beats all-monolingual training (α = 1; +")
    assert "; it is not shown to beat lir (no training; " in line
    baseline(folder, "lir", 0.2)
    line = headline(answer_of(folder, records)).sentences[1]
    assert "; it is worse than lir (no training; −" in line
    baseline(folder, "lir", 0.8)
    line = headline(answer_of(*study(folder.path, {0.5: 0.81, 1.0: 0.82}), margin=1e-6)).sentences[1]
    assert ", the best by its mean, is not shown to differ from " in line
    assert "), nor to beat lir (no training; " in line


def test_two_seeds_are_approximate(tmp_path: Path) -> None:
    shown = headline(answer_of(*study(tmp_path, seeds=2)), seeds=2)
    assert shown.kind == "difference"
    assert "(95 % confidence set of 4 ratios, 2 seeds, approximate)" in shown.sentences[0]
    assert any(note.startswith("Two seeds: intervals and p are approximate") for note in shown.notes)


def test_two_ratios_with_two_seeds_lean_on_none(tmp_path: Path) -> None:
    answer = answer_of(*study(tmp_path, {0.5: 0.4, 1.0: 1.6}, seeds=2))
    assert "Two seeds: intervals and p are approximate." in headline(answer, seeds=2).notes
    (table,) = answer.certainty.tables
    assert "Two seeds: intervals and p are approximate." in verdicts(table, MAXIMIZE)


@pytest.mark.parametrize(("objective", "value"), [(MAXIMIZE, -0.1), (MINIMIZE, 0.1)])
def test_a_member_of_the_set_that_a_comparison_shows_to_be_worse_is_named(
    planted: tuple[StudyFolder, list[TrialRecord]], objective: Objective, value: float
) -> None:
    """Holm's last step is at .05, the set's correction always for all others."""
    answer = answer_of(*planted, [objective])
    (table,) = answer.certainty.tables
    first, last = table.rows[0], table.rows[-1]
    estimate = Estimate(value, abs(value) / 2.1, 1e6, over_seeds=True)
    worse = replace(last, against={"0": Comparison("pooled/map", "0", "1", estimate, estimate.p), "1": None})
    turned = replace(estimate, value=-value)
    better = replace(first, against={"0": None, "1": Comparison("pooled/map", "1", "0", turned, turned.p)})
    both = replace(table, rows=(better, worse), best=(0.0, 1.0), complete=2)
    notes = headline(replace(answer, certainty=replace(answer.certainty, tables=(both,)))).notes
    assert any(note.startswith("α = 1 is worse than another ratio by p after Holm, but not by") for note in notes)
    alone = replace(both, best=(0.0,))
    notes = headline(replace(answer, certainty=replace(answer.certainty, tables=(alone,)))).notes
    assert "stricter" not in " ".join(notes)


@pytest.mark.parametrize(
    ("metric", "direction", "first", "note"),
    [
        ("language_bias", "minimize", "(minimised by the study; ", "The study minimises language bias, which is"),
        ("language_bias", "maximize", "(95 %", "The study maximises language bias, which is best near"),
        ("map", "minimize", "(minimised by the study; ", "The study minimises pooled mAP, of which higher"),
        ("rank_distance", "maximize", "(95 %", "The study maximises rank distance, of which lower is better."),
        ("rank_distance", "minimize", "(lower is better; 95 %", None),
        ("map", "maximize", "(95 %", None),
    ],
)  # fmt: skip
def test_a_study_that_looks_for_what_is_not_good_says_so(
    planted: tuple[StudyFolder, list[TrialRecord]], metric: str, direction: str, first: str, note: str | None
) -> None:
    objective = Objective.model_validate({"metric": f"toy/pooled/{metric}", "direction": direction})
    shown = headline(answer_of(*planted, [objective]))
    assert first in shown.sentences[0]
    assert any(line.startswith("The study m") for line in shown.notes) == (note is not None)
    assert note is None or any(line.startswith(note) for line in shown.notes)


def test_the_best_of_what_cannot_be_compared_may_win_and_has_most_seeds(
    planted: tuple[StudyFolder, list[TrialRecord]],
) -> None:
    """0.5 has the best mean, and breaks a constraint; of 0.25 one seed has come."""
    folder, records = planted
    goal = Objective(metric="toy/geometry/mexa", direction="maximize")
    broken = [replace(one, violation=1.0) if "=0.5" in one.key else one for one in records]
    some = [one for one in broken if "=0.25" not in one.key or one.seed == 0]
    for kept, first in ((records, "α = 0.5"), (broken, "α = 0.25"), (some, "α = 0")):
        answer = replace(answer_of(folder, kept, [goal]), best=None)
        assert headline(answer).sentences[0].startswith(f"On toy, {first} has the best mean of MEXA")


# One seed -----------------------------------------------------------------------------------------------------


def test_one_seed_says_nothing_about_ratios(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = planted
    answer = answer_of(folder, [record for record in records if record.seed == 0])
    shown = headline(answer, seeds=1)
    assert shown.kind == "one seed"
    first, second, third = shown.sentences
    assert first == (
        "On toy, nothing can be said about ratios for pooled mAP: each ratio has one seed, "
        "and other seeds might order them differently."
    )
    assert second.startswith("Of these trained models that of α = 0.5 has the best figure, 0.")
    assert re.search(
        r" and lir \(no training; \+[^)]*, p [=<] [.\d]+\); over questions alone, p after Holm\.$", second
    )
    assert third.startswith("Three seeds or more of every ratio (study.seeds)")
    assert not any(word in " ".join(shown.sentences) for word in ("may be best", "beats", "equal"))


def test_ratios_with_one_seed_are_left_out_of_the_claims(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    """The first of several seeds has come for 0.5 alone: it leads, and nothing is said of it."""
    folder, records = planted
    some = [record for record in records if record.parameters["ratio.monolingual"] != 0.5 or record.seed == 0]
    answer = answer_of(folder, some)
    shown = headline(answer, target=12)
    assert shown.kind == "difference"
    assert shown.sentences[0] == (
        "On toy, it cannot be said yet which ratios may be best for pooled mAP: that takes the same seeds, two or "
        "more, of at least two ratios."
    )
    assert shown.sentences[1].startswith("α = 0.25 beats all-monolingual training (α = 1; +")
    assert "0.5" not in shown.sentences[1].replace("p after Holm", "")
    assert shown.sentences[-1] == "10 of 12 trials have finished, so this may change: of 3 seeds α = 0.5 has 1."
    assert "α = 0.5: one seed, so nothing is said about it." in shown.notes
    (table,) = answer.certainty.tables
    assert verdicts(table, MAXIMIZE)[0] == "One seed, so that nothing is said about: 0.5"
    lone = [record for record in records if record.parameters["ratio.monolingual"] == 0.5 or record.seed == 0]
    assert "only α = 0.5 has more than one seed" in headline(answer_of(folder, lone)).sentences[0]


# What is missing ----------------------------------------------------------------------------------------------


def test_an_interrupted_study_says_what_is_missing(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = planted
    shown = headline(answer_of(folder, records[:7]), target=25, seeds=5)
    assert shown.sentences[-1] == (
        "7 of 25 trials have finished, so this may change: of 5 seeds α = 0 and 0.25 have 3 and α = 0.5 has 1."
    )
    assert headline(answer_of(folder, records), target=13).sentences[-1] == (
        "12 of 13 trials have finished, so this may change."
    )
    failed = [*records[:11], replace(records[11], state="FAILED")]
    assert (
        headline(answer_of(folder, failed), target=12).sentences[-1] == "11 of 12 trials have finished and 1 FAILED."
    )
    assert headline(answer_of(folder, failed), target=13).sentences[-1] == (
        "11 of 13 trials have finished and 1 FAILED, so this may change."
    )
    one = headline(answer_of(folder, records[:2]), target=25, seeds=5)
    assert one.kind == "one ratio"
    assert one.sentences[0].startswith(
        "On toy, nothing can be said about ratios: α = 0 alone has finished trials (pooled mAP: 0."
    )
    assert one.sentences[0].endswith("mean of 2 seeds).")
    assert one.sentences[1] == "2 of 25 trials have finished, so this may change."


def test_without_a_finished_trial_there_is_nothing_to_say(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    nothing = headline(answer_of(folder, []), target=25)
    assert nothing == Headline(
        "nothing yet", ("0 of 25 trials have finished, so nothing can be said about ratios yet.",)
    )
    assert headline(answer_of(folder, []), target=1).sentences[0].startswith("0 of 1 trial has finished, so")
    failed = [trial(folder, 1.0, seed, "FAILED", ratio__monolingual=0.5) for seed in range(3)]
    assert headline(answer_of(folder, failed), target=25).sentences == (
        "0 of 25 trials have finished and 3 FAILED, so nothing can be said about ratios yet.",
    )
    assert headline(answer_of(folder, failed), target=3).sentences == (
        "All 3 trials FAILED, so nothing can be said about ratios.",
    )


def test_failed_seeds_and_broken_constraints_are_named(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = planted
    ended = [
        replace(record, state="FAILED", values=()) if record.key == "ratio.monolingual=0.5,seed=2" else record
        for record in records
    ]
    ended = [
        replace(record, violation=1.0) if record.parameters["ratio.monolingual"] == 0.25 else record
        for record in ended
    ]
    shown = headline(answer_of(folder, ended))
    assert "95 % confidence set of 2 ratios" in shown.sentences[0]
    assert shown.sentences[1].startswith("α = 0 beats all-monolingual training")
    assert "is worse than α = 0.5 (" in shown.sentences[1]  # which lacks a seed, and is better for all that
    notes = " ".join(shown.notes)
    assert "A constraint of the study is broken by α = 0.25, which cannot be best." in notes
    assert "Without all seeds, and so not among those that may be best: α = 0.5." in notes
    assert "1 trial FAILED." in notes


# Other studies ------------------------------------------------------------------------------------------------


def test_several_tables_are_about_the_best_one_and_say_whether_others_agree(tmp_path: Path) -> None:
    folder, first = study(tmp_path, {0.5: 0.4, 1.0: 1.5}, train__steps=10)
    _, second = study(tmp_path, {0.5: 0.6, 1.0: 1.6}, train__steps=20)
    _, third = study(tmp_path, {0.5: 1.7, 1.0: 0.7}, train__steps=30)
    shown = headline(answer_of(folder, [*third, *second, *first]))
    assert shown.sentences[0].startswith("On toy with train.steps=10, only α = 0.5 may be best")
    assert shown.sentences[-1] == "With 1 of the 2 other combinations of searched values α = 0.5 may be best, too."
    assert any("within each of the 3 combinations" in note for note in shown.notes)
    against = headline(answer_of(folder, [*first, *third]))
    assert against.sentences[-1] == "With the other combination of searched values α = 0.5 is shown not to be best."


def test_a_ratio_that_another_table_has_not_is_not_shown_to_be_worse_there(tmp_path: Path) -> None:
    """Neither where it was not trained, nor where it lacks a seed."""
    folder, first = study(tmp_path, {0.5: 0.4, 1.0: 1.5}, train__steps=10)
    _, second = study(tmp_path, {0.25: 0.6, 0.75: 1.2, 1.0: 1.6}, train__steps=20)
    assert "other combination" not in " ".join(headline(answer_of(folder, [*first, *second])).sentences)
    _, third = study(tmp_path, {0.25: 0.6, 0.5: 1.2, 1.0: 1.6}, train__steps=30)
    lacking = [
        replace(one, state="FAILED", values=()) if "=0.5" in one.key and one.seed == 1 else one for one in third
    ]
    answer = answer_of(folder, [*first, *lacking])
    assert len(answer.certainty.tables) == 2
    assert "other combination" not in " ".join(headline(answer).sentences)
    assert "is shown not to be best" in headline(answer_of(folder, [*first, *third])).sentences[-1]


def test_of_several_objectives_the_first_is_tested(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = planted
    two = [replace(record, values=(*record.values, 1.0)) for record in records]
    shown = headline(answer_of(folder, two, [MAXIMIZE, MINIMIZE]))
    assert shown.kind == "difference"
    assert (
        "The sentences are about the first of 2 objectives, not about toy/pooled/rank_distance; "
        "1 point on the Pareto front." in shown.notes
    )


def test_figures_without_ranks_have_no_tests(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    shown = headline(answer_of(*planted, [Objective(metric="toy/geometry/mexa", direction="maximize")]))
    assert shown.kind == "none shown"
    assert shown.sentences[0].startswith("On toy, α = 0.5 has the best mean of MEXA (0.714, mean of 3 seeds), but no")
    assert "does not come from ranks" in shown.sentences[0]


def test_why_ratios_cannot_be_compared(planted: tuple[StudyFolder, list[TrialRecord]], tmp_path: Path) -> None:
    folder, records = planted
    (tmp_path / "trials").mkdir()
    assert "files of ranks are missing" in headline(answer_of(StudyFolder(tmp_path), records)).sentences[0]
    apart = [
        replace(record, parameters={**record.parameters, "train.steps": place})
        for place, record in enumerate(records)
    ]
    assert "no two points differ in their ratio alone" in headline(answer_of(folder, apart)).sentences[0]
    still = [replace(record, parameters={"train.steps": 10}) for record in records[:3]]
    assert "the study does not vary the ratio" in headline(answer_of(folder, still)).sentences[0]


def test_one_half_of_the_questions_and_a_part_of_the_trials_are_named(
    planted: tuple[StudyFolder, list[TrialRecord]],
) -> None:
    answer = answer_of(*planted)
    halved = replace(
        answer,
        benchmark="toy+report",
        objectives=(Objective(metric="toy+report/pooled/map", direction="maximize"),),
        certainty=replace(answer.certainty, is_partial=True),
    )
    shown = headline(halved)
    assert shown.sentences[0].startswith("On the half of toy that nothing was chosen by, only α = 0.5 may be best")
    assert any("more than 200 trials" in note for note in shown.notes)


def test_claims_and_the_lines_of_the_terminal_agree(
    planted: tuple[StudyFolder, list[TrialRecord]], equal: tuple[StudyFolder, list[TrialRecord]]
) -> None:
    for folder, records in (planted, equal):
        for margin in (0.01, 0.2):
            answer = answer_of(folder, records, margin=margin)
            (table,) = answer.certainty.tables
            lines, shown = " ".join(verdicts(table, MAXIMIZE)), headline(answer)
            assert f"{{{', '.join(f'{ratio:g}' for ratio in table.best)}}}" in lines
            assert ("Equal within" in lines) == bool(
                re.search("[Ee]qual ", " ".join([*shown.sentences, *shown.notes]))
            )
            assert Claims.of(table).differ == (shown.kind == "difference")
            assert ("Shown to beat lir" in lines) == bool(
                re.search(r" beats [^;]*(;[^;)]*\)[^;]*)*\blir \(no", " ".join(shown.sentences))
            )


def test_a_ratio_without_a_reference_is_compared_with_none(planted: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = planted
    kept = [record for record in records if record.parameters["ratio.monolingual"] in (0.25, 0.5)]
    between = [replace(record, parameters={"ratio.monolingual": 0.4}) for record in kept[3:]]
    shown = headline(answer_of(folder, [*kept[:3], *between]))
    assert shown.sentences[1] == (
        "No other ratio of 0, 0.5 and 1 has two seeds, which α = 0.4 could be compared with."
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0123, "0.012"), (0.0004, "0.0004"), (0.00123, "0.001"), (2.6e-5, "3e-05"), (12.3, "12.300")],
)
def test_a_size_is_never_nothing(value: float, words: str) -> None:
    assert size_words(value, 3) == words


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("toy/pooled/alignment_consistency/low", "alignment consistency in low-resource languages"),
        ("toy/mono/map/unseen", "monolingual mAP in languages that were not trained on"),
        ("toy/mono/map/en", "monolingual mAP in English"),
        ("toy/cross/map/en-th", "cross-lingual mAP for English questions and Thai passages"),
        ("toy/cross/map/low", "cross-lingual mAP with low-resource languages"),
        ("toy/cross/map/other_script", "cross-lingual mAP between languages in different scripts"),
        ("toy/agreement/rbo/en-th", "RBO between English and Thai"),
        ("toy/mono/left_out", "mono/left_out"),
    ],
)
def test_metrics_in_words(key: str, words: str) -> None:
    assert metric_words(MetricKey.parse(key)) == words


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.0, "p < 0.001"), (0.0123, "p = 0.012"), (0.04996, "p = 0.0500"), (0.0496, "p = 0.0496"), (1.0, "p = 1.000")],
)
def test_p_in_words(p: float, words: str) -> None:
    assert p_words(p) == words
