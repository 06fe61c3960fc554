"""Looks at a running study, and says how far it is."""

from collections.abc import Sequence

from sweep.answer.points import best_of, points_of
from sweep.evaluation.metrics import digits_of
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State
from sweep.report.short_names import short_name
from sweep.report.text import Status
from sweep.run.pace import Pace
from sweep.run.progress import Best, Progress, WorkerRow
from sweep.settings.metric_key import MetricKey
from sweep.study.view import StudyView

ENDED = ("COMPLETE", "PRUNED", "FAILED")


class Overview:
    """What has happened since it last looked. Trials that had ended before are no news."""

    def __init__(self, view: StudyView, pace: Pace | None = None) -> None:
        self._view = view
        self._pace = pace or Pace()
        self._seen: Sequence[TrialRecord] | None = None  # the records of the last look
        self._states: dict[str, State] = {}
        self._durations: list[float] = []
        self._best: Best | None = None

    def look(self, statuses: Sequence[Status]) -> Progress:
        """How far the study is. `statuses`: what each worker says, empty before its first trial."""
        records = self._view.records()
        ended: list[TrialRecord] = []
        if records is not self._seen:
            states = {record.key: record.state for record in records}
            if self._seen is not None:
                ended = [one for one in records if one.state in ENDED and self._states.get(one.key) != one.state]
            if ended or self._seen is None:
                self._best = best_so_far(self._view)
                self._durations = [one.duration_s for one in records if one.state == "COMPLETE" and one.duration_s]
            self._seen, self._states = records, states
        new = self._pace.note(statuses)
        workers = [self._row(status) for status in statuses]
        counted = list(self._states.values())
        return Progress(
            done=self._view.finished(),
            target=self._view.target,
            failed=counted.count("FAILED"),
            pruned=counted.count("PRUNED"),
            workers=workers,
            best=self._best,
            left_s=self._pace.left_s(self._durations, self._view.remaining(), len(workers)),
            started=[row for row in workers if row.key in new],
            ended=ended,
        )

    def _row(self, status: Status) -> WorkerRow:
        if not status:
            return WorkerRow()
        key = str(status["key"])
        pace, trial = self._pace.of(key), self._view.trials().get(key)
        name = key if trial is None else short_name(trial.point.values, trial.point.seed)
        losses = tuple(pace.losses)
        step, steps, loss = status["step"], status["steps"] or 0, status["loss"]
        return WorkerRow(key, name, str(status["phase"]), step, steps, loss, losses, pace.steps_per_s)


def best_so_far(view: StudyView) -> Best | None:
    """The best point by the first objective, as points are chosen while the study runs."""
    settings = view.settings
    points = points_of(view.compared(), settings.confirmed_seeds)
    best = best_of(points, settings.objectives[0])
    if best is None:
        return None
    metric = settings.selected(settings.objectives[0].metric)
    digits, among = digits_of(MetricKey.parse(metric)), sum(point.competes for point in points)
    return Best(metric, best.value, digits, best.parameters, len(best.records), among)
