"""Intervals of points' figures, once a study has ended: those of its report, over questions and seeds together.

They lean on the variance between seeds of all points that differ in the ratio alone, so none is known before.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from sweep.answer.points import PointRow
from sweep.answer.ratios import MOST_TRIALS, RATIO
from sweep.answer.systems import Systems
from sweep.errors import SweepError
from sweep.evaluation.columns import RESULTS
from sweep.evaluation.comparison import System, figure
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.settings.metric_key import Half, MetricKey
from sweep.statistics.uncertainty import Interval
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.figures import TrialFigures
from sweep.tracking.protocol import Row, Tracker
from sweep.tracking.snapshot import Snapshot
from sweep.tracking.study_facts import KnownStudy
from sweep.tracking.study_points import StudyPoints

KEY = "point intervals"
LOW, HIGH = ".ci95_low", ".ci95_high"  # after a metric's name, which may end in the tier `low`
MOST_POINTS = 20  # that differ in the ratio alone; every one is a peer of every other


class PointIntervals:
    """Sends them at the end, of points with several seeds; of a study with very many trials none."""

    def __init__(
        self, folder: StudyFolder, cursor: Cursor, study: KnownStudy, points: StudyPoints, figures: TrialFigures
    ) -> None:
        self.problem: str | None = None  # why points lack theirs
        self._folder = folder
        self._cursor = cursor
        self._study = study
        self._points = points
        self._figures = figures

    def is_behind(self, snapshot: Snapshot) -> bool:
        """Whether there are intervals to send."""
        if snapshot.ended is None or not 0 < len(snapshot.records) <= MOST_TRIALS or not self._complete():
            return False
        sent = self._cursor.get(KEY)
        return sent is None or sent.ended != self._content()

    def send(self, tracker: Tracker) -> None:
        """Compute and send all. Raises TrackerAway."""
        complete = self._complete()
        self.problem = None
        at = max(one.finished_ms for records in complete.values() for one in self._figures.of(records))
        for key, intervals in self._intervals(complete):
            sent = self._cursor.get(key)
            if sent is not None:
                tracker.log(sent.run, list(_rows(intervals, at, len(complete[key]))))
        self._cursor.put(KEY, Sent(tracker.study_run, "FINISHED", ended=self._content()))

    def _complete(self) -> dict[str, list[TrialRecord]]:
        """The COMPLETE trials of the points that have several."""
        complete = {
            key: [record for record in records if record.state == "COMPLETE"]
            for key, records in self._points.members.items()
        }
        return {key: records for key, records in complete.items() if len(records) > 1}

    def _intervals(self, complete: Mapping[str, Sequence[TrialRecord]]) -> Iterator[tuple[str, dict[str, Interval]]]:
        """By the keys of points; nothing of a group whose ranks are not there or cannot be read."""
        groups: dict[str, list[str]] = {}
        systems = Systems()
        systems.wants(self._study.facts.objectives)
        for key, records in complete.items():
            others = {path: value for path, value in records[0].parameters.items() if path != RATIO}
            groups.setdefault(repr(sorted(others.items())), []).append(key)
        for keys in groups.values():
            if len(keys) > MOST_POINTS:
                continue
            try:
                of_keys = {key: self._system(systems, key, complete[key]) for key in keys}
                yield from [(key, self._of(system, list(of_keys.values()))) for key, system in of_keys.items()]
            except (SweepError, OSError) as error:
                self.problem = self.problem or f"{len(keys)} points are tracked without intervals: {error}"

    def _system(self, systems: Systems, key: str, records: Sequence[TrialRecord]) -> System:
        benchmark, _, half = self._study.facts.benchmark.partition("+")
        of_half: Half | None = "report" if half else None
        point = PointRow(records[0].parameters, tuple(records))
        return systems.of_point(self._folder, key, point, benchmark, of_half)

    def _of(self, system: System, peers: Sequence[System]) -> dict[str, Interval]:
        """The intervals of a point's metrics that come from ranks."""
        facts = self._study.facts
        keys = [column.key(facts.benchmark) for column in RESULTS]
        keys += [key for key in map(MetricKey.parse, facts.objectives) if key.benchmark == facts.benchmark]
        names = {str(key): key.name for key in keys}
        return {metric: figure(system, name, peers).interval for metric, name in names.items() if system.has(name)}

    def _content(self) -> str:
        text = " ".join(f"{key} {content}" for key, content in sorted(self._points.contents.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows(intervals: Mapping[str, Interval], at: int, seeds: int) -> Iterator[Row]:
    for metric, (low, high) in intervals.items():
        yield Row(f"{metric}{LOW}", low, at, seeds)
        yield Row(f"{metric}{HIGH}", high, at, seeds)
