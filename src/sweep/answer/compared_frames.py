"""A study's points and the comparisons of its ratios as pandas frames: the figures of its report, by any metric."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.answer.frames import values_frame
from sweep.answer.opened import Study
from sweep.answer.points import PointRow, Spread, paths_of, value_text
from sweep.answer.ratios import MOST_TRIALS, REFERENCES, RIVALS, combinations_of
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems, has_ranks
from sweep.errors import InputError
from sweep.evaluation.comparison import Comparison, System, compare_each, figure
from sweep.evaluation.families import COUNTS
from sweep.settings.metric_key import Half, MetricKey
from sweep.settings.wording import excerpt, listed

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ["others", "reference", "system", "metric", "difference", "low", "high", "p", "p_holm", "over_seeds"]


def points_frame(study: Study, answer: StudyAnswer, read: Systems, metric: str | None = None) -> "pd.DataFrame":
    """A row a point with a COMPLETE trial, in order of the searched values.

    Columns: one for each searched path, `seeds` (how many were trained), `mean` and `sd` (over these seeds; no sd of
    one), `low` and `high` (95 % interval of the mean over questions and seeds; of one seed over questions alone). An
    interval is missing where there are no ranks, as of metrics of geometry, and of a large study beyond its best
    MOST_TRIALS trials. `metric`: the first objective unless another is given, with or without its benchmark.

    Raises InputError for a metric that no trial has.
    """
    import pandas as pd

    key = _key(study, metric)
    reported = study.settings.study.reported(str(key))
    values = values_frame(study.folder, study.view.compared(), key.benchmark, [reported]).set_index("trial")[reported]
    paths = paths_of(answer.points)
    intervals = _intervals(study, answer, read, key)
    rows = []
    for point in answer.points:
        spread = Spread.of([float(values[record.key]) for record in point.records])
        assert spread is not None
        low, high = intervals.get(point.text, (np.nan, np.nan))
        rows.append(
            {
                **{path: point.parameters.get(path) for path in paths},
                "seeds": len(point.records),
                "mean": spread.mean,
                "sd": np.nan if spread.deviation is None else spread.deviation,
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows, columns=[*paths, "seeds", "mean", "sd", "low", "high"])


def _intervals(study: Study, answer: StudyAnswer, read: Systems, key: MetricKey) -> dict[str, tuple[float, float]]:
    intervals = {}
    for _, trained in _trained(study, answer, read, key):
        systems = [system for _, system in trained]
        for point, system in trained:
            if system.has(str(key)):
                intervals[point.text] = figure(system, str(key), systems).interval
    return intervals


def comparisons_frame(
    study: Study,
    answer: StudyAnswer,
    read: Systems,
    metric: str | None = None,
    reference: str | float | None = None,
) -> "pd.DataFrame":
    """Every ratio against the references: a row each, each pair once.

    Columns: `others` (the other searched values as text), `reference` and `system` (ratios as text, or what needs no
    training), `metric`, `difference` (system minus reference), `low` and `high` (its 95 % interval), `p` (two-sided,
    of this row alone), `p_holm` (corrected for all rows with the same `others`), and `over_seeds`: False with one
    seed, where a row compares trained models and says nothing about ratios.

    `metric`: the first objective unless another is given. `reference`: 0, 0.5, 1 and what needs no training, as in
    the report, or one ratio or name. Fix it before looking at figures: p says little of a reference that was chosen
    for being good or bad. Empty with fewer than two ratios.

    Raises InputError if ranks do not give the metric, or for a reference that the study does not have.
    """
    import pandas as pd

    key = _key(study, metric)
    if key.family == "geometry" or key.metric in COUNTS:
        raise InputError(f"'{excerpt(key.name)}' does not come from ranks: nothing can be compared by it")
    half: Half | None = "report" if study.settings.study.selects_on_half else None
    baselines = read.baselines(study.folder, key.benchmark, half)
    baselines = {name: system for name, system in baselines.items() if system.has(str(key))}
    known = set(baselines)
    rows = []
    for others, trained in _trained(study, answer, read, key):
        systems = {system.name: system for _, system in trained}
        known |= systems.keys()
        references = _references(systems, baselines, reference)
        if len(systems) > 1 and references:
            compared = compare_each(references, list(systems.values()), str(key))
            rows += [_row(others, compared[pair]) for pair in _pairs(references, systems)]
    if reference is not None and _text(reference) not in known:
        raise InputError(f"reference '{excerpt(_text(reference))}': the study has {listed(sorted(known))}")
    return pd.DataFrame(rows, columns=COMPARED)


def _row(others: str, one: Comparison) -> dict[str, object]:
    low, high = one.interval
    cells = (one.reference, one.system, one.metric, one.difference, low, high, one.p, one.p_holm)
    return dict(zip(COMPARED, (others, *cells, one.estimate.over_seeds), strict=True))


def _pairs(references: Sequence[System], systems: Mapping[str, System]) -> Iterator[tuple[str, str]]:
    """Names of a reference and a system, each two once."""
    done: set[frozenset[str]] = set()
    for reference in references:
        for name in systems:
            pair = frozenset((reference.name, name))
            if len(pair) == 2 and pair not in done:
                done.add(pair)
                yield reference.name, name


def _text(reference: str | float) -> str:
    return reference if isinstance(reference, str) else value_text(float(reference))


def _references(
    systems: Mapping[str, System], baselines: Mapping[str, System], reference: str | float | None
) -> list[System]:
    """Those of the report, or the one that is asked for, as far as they are there."""
    if reference is not None:
        one = systems.get(_text(reference)) or baselines.get(_text(reference))
        return [] if one is None else [one]
    rivals = [name for name in RIVALS if name in baselines][:1]
    ratios = [systems[value_text(ratio)] for ratio in REFERENCES if value_text(ratio) in systems]
    return [*ratios, *(baselines[name] for name in rivals)]


def _trained(
    study: Study, answer: StudyAnswer, read: Systems, key: MetricKey
) -> Iterator[tuple[str, list[tuple[PointRow, System]]]]:
    """The other searched values as text, and the points that have them, each with its ranks, in order of their
    ratios; a point without a ratio stands alone. Of a large study only the best ones, MOST_TRIALS trials in all."""
    if key.family == "geometry" or key.metric in COUNTS:
        return
    half: Half | None = "report" if study.settings.study.selects_on_half else None
    objective = study.settings.study.objectives[0]
    combined = combinations_of(study.folder, answer.points)
    groups = [
        (others, [(value_text(ratio), ratios[ratio]) for ratio in sorted(ratios)])
        for others, ratios in combined.items()
    ]
    placed = {id(point) for _, group in groups for _, point in group}
    groups += [("", [(point.text, point)]) for point in answer.points if id(point) not in placed]
    best = {id(group): max(objective.sign * point.value for _, point in group) for _, group in groups}
    trials = 0
    # In the order of the report, and with its limit: what it compares is compared here.
    for others, group in sorted(groups, key=lambda one: (len(one[1]) < 2, -best[id(one[1])])):
        size = sum(len(point.records) for _, point in group)
        if trials + size > MOST_TRIALS:
            continue
        trials += size
        yield (
            others,
            [
                (point, read.of_point(study.folder, name, point, key.benchmark, half))
                for name, point in group
                if has_ranks(study.folder, point, key.benchmark)
            ],
        )


def _key(study: Study, metric: str | None) -> MetricKey:
    """The metric's key, with the benchmark that it is of."""
    if metric is None:
        metric = study.settings.study.objectives[0].metric
    first, *further = (one.name for one in study.settings.evaluations)
    named = MetricKey.parse(metric).benchmark
    return MetricKey.parse(metric) if named in (first, *further) else MetricKey.within(first, metric)
