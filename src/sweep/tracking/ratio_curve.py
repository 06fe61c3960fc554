"""The curves of a study's own run: means of its points with the ratio as step (100 α), so that its charts show
metrics by ratio.

Only points with all of the study's seeds are on them, and their names say how many these are: what a tracker has of a
curve it cannot take back.
"""

from collections.abc import Mapping, Sequence

from sweep.answer.ratios import RATIO
from sweep.evaluation.columns import RESULTS
from sweep.records.trial_record import TrialRecord
from sweep.settings.metric_key import MetricKey
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.figures import TrialFigures, spreads
from sweep.tracking.protocol import Row, Tracker
from sweep.tracking.shown import point_name
from sweep.tracking.study_facts import KnownStudy
from sweep.tracking.study_points import StudyPoints

MOST_CURVES = 8  # combinations of other searched values that have one each; of more, none has
COLUMNS = frozenset(column.name for column in RESULTS)
WORDS = {  # what is measured in one kind of pool alone needs no word for the pool
    "map": "mAP",
    "pooled/alignment_consistency": "alignment",
    "pooled/rank_distance": "rank distance",
    "pooled/language_bias": "language bias",
}


class RatioCurves:
    """Sends each whole point once."""

    def __init__(self, cursor: Cursor, study: KnownStudy, points: StudyPoints, figures: TrialFigures) -> None:
        self._cursor = cursor
        self._study = study
        self._points = points
        self._figures = figures

    def behind(self) -> list[str]:
        """Keys of whole points that were not sent."""
        others = self._combinations()
        if not 0 < len(others) <= MOST_CURVES:
            return []
        return [key for key, records in self._points.members.items() if self._is_behind(key, records)]

    def send(self, tracker: Tracker, key: str) -> None:
        """Send one point. Raises TrackerAway."""
        records = self._points.members[key]
        figures = self._figures.of(records)
        step, at = round(100 * float(records[0].parameters[RATIO])), max(one.finished_ms for one in figures)
        others = _others(records[0].parameters)
        asked = self._study.facts.objectives
        rows = [
            Row(self.name_of(metric, others), mean, at, step)
            for metric, (mean, _) in spreads(figures).items()
            if metric in asked or MetricKey.parse(metric).name in COLUMNS
        ]
        tracker.log(tracker.study_run, rows)
        self._cursor.put(f"curve {key}", Sent(tracker.study_run, "FINISHED", ended=self._content(key)))

    def names(self, metric: str) -> tuple[str, ...]:
        """Of the curves of a metric: one, or one for each of a few combinations of other searched values."""
        others = self._combinations()
        return tuple(self.name_of(metric, one) for one in sorted(others)) if len(others) <= MOST_CURVES else ()

    def name_of(self, metric: str, others: str) -> str:
        """The name of a curve: it heads the curve's chart, which has room for some 25 letters."""
        key, facts = MetricKey.parse(metric), self._study.facts
        whole = key.whole.name
        family, word = ("", WORDS[whole]) if whole in WORDS else (key.family, WORDS.get(key.metric, key.metric))
        name = " ".join(part for part in (family, word, key.part) if part)
        also = [f"{facts.seeds} seed{'s' if facts.seeds > 1 else ''}"]
        also += [key.benchmark] if key.benchmark != facts.benchmark else []
        return " - ".join([f"{name} by ratio", *also, *([others] if others else [])])

    def _combinations(self) -> set[str]:
        points = (records[0].parameters for records in self._points.members.values())
        return {_others(values) for values in points if RATIO in values}

    def _is_behind(self, key: str, records: Sequence[TrialRecord]) -> bool:
        complete = sum(record.state == "COMPLETE" for record in records)
        if RATIO not in records[0].parameters or complete != len(records) or complete != self._study.facts.seeds:
            return False
        sent = self._cursor.get(f"curve {key}")
        return sent is None or sent.ended != self._content(key)

    def _content(self, key: str) -> str:
        return " ".join(str(record.number) for record in self._points.members[key])


def _others(values: Mapping[str, object]) -> str:
    """The other searched values, in letters that names of metrics may have."""
    others = {path: value for path, value in values.items() if path != RATIO}
    text = point_name(others) if others else ""
    return "".join(letter if letter.isalnum() or letter in "_-. " else ":" for letter in text)
