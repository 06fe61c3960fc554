"""The headline metrics of finished trials, and what several seeds of a point come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.settings.tracking import Shown
from sweep.tracking.shown import headline
from sweep.tracking.snapshot import folder_of
from sweep.tracking.study_facts import KnownStudy


@dataclass(frozen=True)
class Figures:
    """Of one trial: when it ended, in unix milliseconds, and its headline metrics with what training came to."""

    finished_ms: int
    metrics: Mapping[str, float]


class TrialFigures:
    """Reads each trial's file once."""

    def __init__(self, study: KnownStudy, shown: Shown) -> None:
        self._study = study
        self._shown = shown
        self._known: dict[tuple[str, int], Figures] = {}

    def of(self, records: Sequence[TrialRecord]) -> list[Figures]:
        """Those of COMPLETE trials. Raises SweepError if a file is damaged."""
        return [self._of(record) for record in records if record.state == "COMPLETE"]

    def _of(self, record: TrialRecord) -> Figures:
        identity = (record.key, record.number)
        if identity not in self._known:
            result = folder_of(record).read_result()
            if result is None:  # damaged, which whoever reads it for a table says
                return Figures(0, {})
            return self.take(record, result)
        return self._known[identity]

    def take(self, record: TrialRecord, result: TrialResult) -> Figures:
        """Those of a trial whose result has been read."""
        metrics = headline(result.metrics, self._study.facts.objectives, self._shown)
        values = {**metrics, "duration_s": result.duration_s}
        if result.final_loss is not None:
            values["final_loss"] = result.final_loss
        figures = self._known[record.key, record.number] = Figures(result.finished_ms, values)
        return figures


def spreads(figures: Sequence[Figures]) -> dict[str, tuple[float, float | None]]:
    """Mean and standard deviation (None of one seed) of the metrics that all seeds have."""
    shared = figures[0].metrics if figures else {}
    listed = {
        metric: [one.metrics[metric] for one in figures]
        for metric in shared
        if all(metric in one.metrics for one in figures)
    }
    return {metric: (fmean(values), stdev(values) if len(values) > 1 else None) for metric, values in listed.items()}
