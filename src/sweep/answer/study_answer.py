"""What a study answers, built once from its records, metrics and ranks. Tables, cards and pages only print it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.answer.points import Front, PointRow, Spread, best_of, front_of, points_of
from sweep.answer.ratios import Certainty, certainty_of
from sweep.answer.rivals import Rivals, rivals_of
from sweep.answer.systems import Systems
from sweep.errors import SweepError
from sweep.evaluation.columns import RESULTS
from sweep.evaluation.halves import figures_from_ranks, wanted_of
from sweep.records.current_table import current_table
from sweep.records.data_record import DataRecord, read_records
from sweep.records.folder import ResultFolder, StudyFolder
from sweep.records.table import read_metrics
from sweep.records.trial_record import TrialRecord
from sweep.settings import Objective, Settings, StudySettings
from sweep.settings.metric_key import Half, MetricKey


@dataclass(frozen=True)
class BaselineRow:
    """What needs no training, and its figures by their keys."""

    name: str
    figures: Mapping[str, Spread]


@dataclass(frozen=True)
class StudyAnswer:
    """The answer of a study.

    Attributes:
        benchmark: what its trials were evaluated on, the first one; of a study that chooses by one half of the
            questions the other half (`cldr+report`), which all figures are of.
        objectives: what it was to find the best of, by the keys of these figures.
        chosen_by: the key of the figure that the best is chosen by, of the first objective.
        points: all points with a COMPLETE trial, in order of the searched values, with the figures of RESULTS.
        best: the one of them with the best mean over all of the study's seeds, by the only objective; None with
            several objectives, or if no point has all seeds.
        front: the Pareto front of several objectives.
        certainty: intervals of the ratios, their comparisons, and which may be the best.
        baselines: the same figures of what needs no training.
        failed: the FAILED trials.
        further: the other benchmarks, named in the same way.
        data: what it was trained and evaluated on, if that is known.
        rivals: mixed batches against merges, other objectives and no training, if the study has such points.
    """

    benchmark: str
    objectives: tuple[Objective, ...]
    chosen_by: str
    points: tuple[PointRow, ...]
    best: PointRow | None
    front: Front | None
    certainty: Certainty
    baselines: tuple[BaselineRow, ...]
    failed: tuple[TrialRecord, ...]
    further: tuple[str, ...] = ()
    data: tuple[DataRecord, ...] = ()
    rivals: Rivals | None = None

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """All of them, the first one first."""
        return (self.benchmark, *self.further)


def study_answer(
    folder: StudyFolder,
    records: Sequence[TrialRecord],
    benchmark: str,
    objectives: Sequence[Objective],
    margin: float | None = None,
    study: StudySettings | None = None,
    further: Sequence[str] = (),
    systems: Systems | None = None,
) -> StudyAnswer:
    """Build the answer of a study as it is now. Metrics come from trials.csv, which must be up to date. `margin` is
    that of `report.margin`; without `study` all questions count, and no point has to be confirmed. `further`: the
    names of the benchmarks besides the first one; `systems`: what has been read of the study's ranks.

    Raises:
        InputError: a file of ranks is damaged.
        SweepError: the figures of a baseline are.
    """
    half: Half | None = "report" if study is not None and study.selects_on_half else None
    reported = [
        objective.model_copy(update={"metric": study.reported(objective.metric)}) if study is not None else objective
        for objective in objectives
    ]
    names = (benchmark, *further)
    shown, *also = (name if half is None else f"{name}+{half}" for name in names)
    keys = [str(column.key(name)) for name in (shown, *also) for column in RESULTS]
    keys += [objective.metric for objective in reported if objective.metric not in keys]
    confirmed_seeds = study.confirmed_seeds if study is not None else ()
    seeds = len(study.seeds) if study is not None else 0
    points = _with_figures(folder, records, points_of(records, confirmed_seeds), keys)
    baselines = [
        BaselineRow(name, _figures([_metrics_of(baseline, names, study)], keys))
        for name, baseline in folder.baselines().items()
    ]
    judged_on, read = _judged_on(objectives[0], names), Systems() if systems is None else systems
    certainty = certainty_of(folder, points, objectives[0], judged_on, margin, half, read)
    return StudyAnswer(
        benchmark=shown,
        objectives=tuple(reported),
        chosen_by=objectives[0].metric if study is None else study.selected(objectives[0].metric),
        points=points,
        best=best_of(points, objectives[0], seeds) if len(objectives) == 1 else None,
        front=front_of(points, objectives, seeds),
        certainty=certainty,
        baselines=tuple(baselines),
        failed=tuple(record for record in records if record.state == "FAILED"),
        further=tuple(also),
        data=read_records(folder.path),
        rivals=rivals_of(folder, points, certainty.tables, objectives[0], judged_on, half, read, study),
    )


def answer_of(
    folder: StudyFolder, records: Sequence[TrialRecord], settings: Settings, systems: Systems | None = None
) -> StudyAnswer:
    """The answer of a study with these settings, on all of its benchmarks. Raises as `study_answer` does."""
    first, *further = (one.name for one in settings.evaluations)
    study, margin = settings.study, settings.report.margin
    return study_answer(folder, records, first, study.objectives, margin, study, further, systems)


def _with_figures(
    folder: StudyFolder, records: Sequence[TrialRecord], points: Sequence[PointRow], keys: Sequence[str]
) -> tuple[PointRow, ...]:
    """From trials.csv, or where that is behind from the trials' own results: whoever only looks does not write it."""
    if not points:
        return ()
    with current_table(folder, records) as table:
        metrics = read_metrics(table, keys)
    return tuple(
        replace(point, figures=_figures([metrics.get(record.key, {}) for record in point.records], keys))
        for point in points
    )


def _judged_on(objective: Objective, benchmarks: Sequence[str]) -> str:
    """The benchmark of an objective; the first one where the key does not name any."""
    named = MetricKey.parse(objective.metric).benchmark
    return named if named in benchmarks else benchmarks[0]


def _metrics_of(
    baseline: ResultFolder, benchmarks: Sequence[str], study: StudySettings | None
) -> Mapping[str, float]:
    """All metrics of a baseline; on the half that is reported too. Chance has no ranks, and expects the same of any
    half."""
    try:
        metrics: dict[str, float] = json.loads(baseline.metrics.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SweepError(
            f"{baseline.metrics} is damaged: delete its folder, and the next trial that runs makes it again"
        ) from error
    if study is None or not study.selects_on_half:
        return metrics
    files = {benchmark: baseline.ranks_of(benchmark) for benchmark in benchmarks}
    files = {benchmark: file for benchmark, file in files.items() if file.exists()}
    if not files:
        return {str(MetricKey.parse(key).of_half("report")): value for key, value in metrics.items()}
    for benchmark, file in files.items():
        metrics |= figures_from_ranks(file, {"report": wanted_of(study, benchmark)["report"]})
    return metrics


def _figures(metrics: Sequence[Mapping[str, float]], keys: Iterable[str]) -> dict[str, Spread]:
    """Figures by their keys from the metrics of each seed; without those that a seed lacks, since a figure of fewer
    seeds would look like one of all."""
    spreads = {key: Spread.of([one[key] for one in metrics]) for key in keys if all(key in one for one in metrics)}
    return {key: spread for key, spread in spreads.items() if spread is not None}
