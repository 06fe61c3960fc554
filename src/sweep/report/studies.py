"""The list of studies, and the trials of one of them."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from sweep.answer.contents import StudyState
from sweep.answer.points import best_of, points_of
from sweep.evaluation.metrics import digits_of
from sweep.records.trial_record import TrialRecord
from sweep.report.narrow import WIDE, Column, print_line, print_table
from sweep.report.text import Status, duration_text, status_text
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

MOST_TRIALS = 50  # of a large study the running, the FAILED and the best ones are shown
LEAST = 12  # characters of a name, before other columns are left out for it


@dataclass(frozen=True)
class StudyRow:
    """One study. `objective`: by the key of the figure that points are chosen by; `changed`: unix time of its last
    change."""

    name: str
    state: StudyState
    finished: int
    target: int
    records: Sequence[TrialRecord]
    objective: Objective
    changed: float
    confirmed_seeds: Sequence[int] = ()

    @property
    def failed(self) -> int:
        """How many trials FAILED."""
        return sum(record.state == "FAILED" for record in self.records)

    @property
    def spent_s(self) -> float:
        """Seconds that the finished trials took, all workers together."""
        return sum(record.duration_s or 0.0 for record in self.records)

    def best(self) -> str:
        """The best point and its objective, the mean over its seeds."""
        points = points_of(self.records, self.confirmed_seeds)
        best = best_of(points, self.objective)
        if best is None:
            return "–"
        among = sum(point.competes for point in points)
        chosen = f", chosen among {among}" if among > 1 else ""
        return f"{best.value:.{self.digits}f}{f' at {best.text}' if best.text else ''}{chosen}"

    @property
    def digits(self) -> int:
        """Of the objective."""
        return digits_of(MetricKey.parse(self.objective.metric))


def print_studies(console: Console, rows: Sequence[StudyRow]) -> None:
    """Name, state, finished of target, FAILED, best, time spent and last change, a line a study."""
    best = [row.best() for row in rows]
    if console.width < WIDE:
        best = [text.replace(", chosen", ",\nchosen") for text in best]
    columns = [
        Column("study", [row.name for row in rows], justify="left", least=LEAST),
        Column("state", [row.state for row in rows], justify="left"),
        Column("finished", [f"{row.finished} of {row.target}" for row in rows]),
        Column("failed", [str(row.failed) for row in rows], rank=2),
        Column("best", best, rank=1, justify="left", least=2 * LEAST),
        Column("trial time", [duration_text(row.spent_s) for row in rows], rank=4),
        Column("last change", [_when(row.changed) for row in rows], rank=3),
    ]
    print_table(console, columns, rest="python -m sweep.studies status NAME")


def print_status(
    console: Console, row: StudyRow, working: Mapping[str, tuple[str, Status]], every: bool = False
) -> None:
    """One study: counts, best point, and its trials with their states; of a running one what its worker says.

    `working`: worker and status by key. Only some trials of a large study are shown unless `every`.
    """
    counts = Counter(record.state for record in row.records)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no trials yet"
    print_line(console, f"{row.name}: {row.state}, {row.finished} of {row.target} finished ({states})")
    print_line(console, f"best {row.objective.metric} ({row.objective.direction}): {row.best()}")
    shown_ones = row.records if every else _important(row)
    if shown_ones:
        _print_trials(console, shown_ones, working, row.digits)
    if len(shown_ones) < len(row.records):
        print_line(console, f"{len(shown_ones)} of {len(row.records):,} trials; --all shows all")


def _important(row: StudyRow) -> Sequence[TrialRecord]:
    if len(row.records) <= MOST_TRIALS:
        return row.records
    running = [record for record in row.records if record.state == "RUNNING"]
    failed = [record for record in row.records if record.state == "FAILED"]
    valued = [(record.value, record) for record in row.records if record.value is not None]
    best = [record for _, record in sorted(valued, key=lambda pair: -row.objective.sign * pair[0])]
    return [*running, *failed, *best][:MOST_TRIALS]


def _print_trials(
    console: Console, records: Sequence[TrialRecord], working: Mapping[str, tuple[str, Status]], digits: int
) -> None:
    notes = [_note(record, working) for record in records]
    lasted = ["" if record.duration_s is None else duration_text(record.duration_s) for record in records]
    values = ["" if record.value is None else f"{record.value:.{digits}f}" for record in records]
    columns = [
        Column("trial", [record.key for record in records], justify="left", least=30),
        Column("state", [record.state for record in records], justify="left"),
        Column("attempts", [str(record.attempts) for record in records], rank=3),
        Column("objective", values, rank=1),
        Column("time", lasted, rank=2),
        Column("", notes, justify="left", least=20),
    ]
    if not any(notes):
        columns.pop()
    print_table(console, columns, rest="trials.csv has all of it")


def _note(record: TrialRecord, working: Mapping[str, tuple[str, Status]]) -> str:
    """What a trial's worker says, or why it ended."""
    if record.state != "RUNNING":
        return record.reason or ""
    if record.key not in working:
        return "its worker is gone; another one will go on"
    worker, status = working[record.key]
    return f"{status_text(status).removeprefix(f'{record.key}: ')} ({worker})"


def _when(moment: float) -> str:
    ago = time.time() - moment
    return f"{duration_text(max(0.0, ago))} ago" if ago < 86400 else time.strftime("%Y-%m-%d", time.localtime(moment))
