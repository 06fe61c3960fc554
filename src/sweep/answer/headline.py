"""The answer of a study in a few sentences, computed: which ratios may be the best, and how sure that is.

What may be claimed is in docs/statistics.md; every claim is one of `sweep.answer.claims`.
"""

from collections.abc import Iterator, Sequence

from sweep.answer import sentences
from sweep.answer.claims import Claims, judged, leader, main_table, may_be_best
from sweep.answer.contents import Headline
from sweep.answer.points import PointRow
from sweep.answer.ratios import GROUP, RATIO, RatioTable
from sweep.answer.rival_claims import rival_lines
from sweep.answer.sentences import Subject
from sweep.answer.shortfall import on_power
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.wording import alphas, benchmark_words, counted, figure_words, listed
from sweep.evaluation.families import COUNTS, FAMILIES
from sweep.settings.metric_key import MetricKey


def headline_of(answer: StudyAnswer, finished: int, target: int, seeds: int) -> Headline:
    """The sentences for an answer.

    Args:
        answer: of the study as it is now.
        finished: how many of its trials count towards the target.
        target: how many it is to have.
        seeds: how many each point is to have.
    """
    missing = _missing(answer, finished, target, seeds)
    if not answer.points:
        return Headline("nothing yet", (_nothing_yet(answer, finished, target),))
    about = _subject(answer)
    table = main_table(answer.certainty, answer.objectives[0])
    if table is None:
        return _without_table(answer, about, missing)
    about = about.where(table.others)
    if not judged(table):
        lines = sentences.of_one_seed(table, about, seeds)
        return Headline("one seed", (*lines, *missing), (*sentences.on_direction(about), *_notes_on_study(answer)))
    claims = Claims.of(table)
    shown = [
        sentences.on_the_best(table, about),
        *sentences.on_references(table, about, claims),
        *rival_lines(answer.rivals, answer.objectives[0]),
    ]
    power = [] if claims.equal else list(on_power(table, about))
    notes = [*sentences.on_direction(about), *sentences.notes_on(table, about), *_notes_on_study(answer)]
    if claims.differ:
        return Headline("difference", (*shown, *_on_other_tables(answer, table), *missing), (*power, *notes))
    shown += [*power, *_on_other_tables(answer, table), *missing]
    return Headline("equal" if claims.equal else "none shown", tuple(shown), tuple(notes))


def _subject(answer: StudyAnswer) -> Subject:
    objective = answer.objectives[0]
    key = MetricKey.parse(objective.metric)
    if key.family not in FAMILIES:
        key = MetricKey.within(answer.benchmark, objective.metric)
    return Subject(benchmark_words(key.benchmark), key, objective)


def _nothing_yet(answer: StudyAnswer, finished: int, target: int) -> str:
    failed = len(answer.failed)
    if failed >= target > 0:
        return f"All {counted(target, 'trial')} FAILED, so nothing can be said about ratios."
    also = f" and {failed} FAILED" if failed else ""
    return f"{_progress(finished, target)}{also}, so nothing can be said about ratios yet."


def _progress(finished: int, target: int) -> str:
    return f"{finished:,} of {counted(target, 'trial')} {'has' if target == 1 else 'have'} finished"


def _missing(answer: StudyAnswer, finished: int, target: int, seeds: int) -> list[str]:
    """What an unfinished study lacks."""
    if finished >= target:
        return []
    failed = f" and {len(answer.failed)} FAILED" if answer.failed else ""
    changes = "" if finished + len(answer.failed) >= target else ", so this may change"
    start = f"{_progress(finished, target)}{failed}{changes}"
    table = main_table(answer.certainty, answer.objectives[0])
    lacking = [row for row in table.rows if row.seeds < seeds and row.barred is None] if table is not None else []
    if not lacking:
        return [f"{start}."]
    counts = sorted({row.seeds for row in lacking}, reverse=True)
    alike = [(count, [row.ratio for row in lacking if row.seeds == count]) for count in counts]
    has = listed(f"{alphas(ratios)} {'has' if len(ratios) == 1 else 'have'} {count}" for count, ratios in alike)
    return [f"{start}: of {counted(seeds, 'seed')} {has}."]


def _on_other_tables(answer: StudyAnswer, main: RatioTable) -> Iterator[str]:
    """Whether other combinations of searched values agree, of those in which the ratio could be the best."""
    ratio = leader(main, answer.objectives[0]).ratio
    others = [
        table
        for table in answer.certainty.tables
        if table is not main and any(row.ratio == ratio and may_be_best(table, row) is not None for row in table.rows)
    ]
    if not others:
        return
    agreeing = sum(ratio in table.best for table in others)
    those = "the other combination" if len(others) == 1 else f"{agreeing} of the {len(others)} other combinations"
    may = "may be best, too" if agreeing else "is shown not to be best"
    if not agreeing and len(others) > 1:
        those = f"all {len(others)} other combinations"
    yield f"With {those} of searched values {alphas([ratio])} {may}."


def _notes_on_study(answer: StudyAnswer) -> Iterator[str]:
    """What holds for the sentences as a whole."""
    if len(answer.objectives) > 1:
        further = listed(objective.metric for objective in answer.objectives[1:])
        front = "" if answer.front is None else f"; {counted(len(answer.front.points), 'point')} on the Pareto front"
        yield f"The sentences are about the first of {len(answer.objectives)} objectives, not about {further}{front}."
    if len(answer.certainty.tables) > 1:
        yield (
            f"p is corrected within each of the {len(answer.certainty.tables)} combinations of the other searched "
            "values; the one that the sentences are about has the best mean of all, which flatters its figures."
        )
    if answer.certainty.is_partial:
        yield (
            f"The study has more than {answer.certainty.most_trials} trials: only its best combinations of searched "
            "values are compared."
        )
    if answer.benchmark.endswith("+report"):
        yield "The figures are of the half of the questions that nothing was chosen by."
    if answer.failed:
        yield f"{counted(len(answer.failed), 'trial')} FAILED."


def _without_table(answer: StudyAnswer, about: Subject, missing: Sequence[str]) -> Headline:
    """Where no ratios are compared."""
    sign = about.objective.sign
    points = [point for point in answer.points if point.may_win] or answer.points
    best = answer.best or max(points, key=lambda point: (len(point.records), sign * _value(point, about)))
    over = f"mean of {counted(len(best.records), 'seed')}" if len(best.records) > 1 else "one seed"
    figure, on = figure_words(_value(best, about), about.places), f"On {about.benchmark}"
    notes = *sentences.on_direction(about), *_notes_on_study(answer)
    ratios = {_ratio_text(point) for point in answer.points}
    if len(ratios) == 1:
        (ratio,) = ratios
        why = "the study does not vary the ratio" if ratio is None else f"{ratio} alone has finished trials"
        among = "" if len(answer.points) == 1 else f", the best of {counted(len(answer.points), 'point')}"
        line = f"{on}, nothing can be said about ratios: {why} ({about.metric}: {figure}, {over}{among})."
        return Headline("one ratio", (line, *missing), notes)
    first = _ratio_text(best) or "a point without a ratio"
    line = (
        f"{on}, {first} has the best mean of {about.metric} ({figure}, {over}), "
        f"but no ratio is shown to be better than another: {_why_not(answer, about)}."
    )
    return Headline("none shown", (line, *missing), notes)


def _why_not(answer: StudyAnswer, about: Subject) -> str:
    if about.key.family == "geometry" or about.key.metric in COUNTS:
        return "this figure does not come from ranks, which intervals and tests are made of"
    alike: dict[str, set[str | None]] = {}
    for point in answer.points:
        others = {path: value for path, value in point.parameters.items() if path not in (RATIO, GROUP)}
        alike.setdefault(repr(sorted(others.items())), set()).add(_ratio_text(point))
    if all(len(ratios) == 1 for ratios in alike.values()):
        return "no two points differ in their ratio alone"
    if answer.certainty.is_partial:
        return f"with more than {answer.certainty.most_trials} trials for one setting of the others, none is compared"
    return "files of ranks are missing, which intervals and tests are made of"


def _ratio_text(point: PointRow) -> str | None:
    if RATIO in point.parameters:
        return alphas([float(point.parameters[RATIO])])
    return f"{GROUP}={point.parameters[GROUP]}" if GROUP in point.parameters else None


def _value(point: PointRow, about: Subject) -> float:
    """The figure that is reported, if it is known, else the one that the best was chosen by."""
    spread = point.figures.get(about.objective.metric)
    return point.value if spread is None else spread.mean
