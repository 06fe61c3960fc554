"""The list of studies, and the trials of one of them."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.answer.contents import StudyState
from sweep.answer.points import best_of, points_of
from sweep.evaluation.metrics import digits_of
from sweep.records.trial_record import TrialRecord
from sweep.report.text import Status, duration_text, status_text
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

MOST_TRIALS = 50  # of a large study the running, the FAILED and the best ones are shown


@dataclass(frozen=True)
class StudyRow:
    """One study. `objective`: by the key of the figure that
    points are chosen by; `changed`: unix time of its last change."""

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


def studies_table(rows: Sequence[StudyRow]) -> Table:
    """Name, state, finished of target, FAILED, best, time spent and last change, a line a study."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in ("study", "state"):
        table.add_column(title, no_wrap=True)
    for title in ("finished", "failed"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("best", overflow="fold")
    for title in ("trial time", "last change"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.name,
            row.state,
            f"{row.finished} of {row.target}",
            str(row.failed),
            row.best(),
            duration_text(row.spent_s),
            _when(row.changed),
        )
    return table


def print_status(
    console: Console, row: StudyRow, working: Mapping[str, tuple[str, Status]], every: bool = False
) -> None:
    """One study: counts, best point, and its trials with their states; of a running one what its worker says.

    `working`: worker and status by key. Only some trials of a large study are shown unless `every`.
    """
    counts = Counter(record.state for record in row.records)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no trials yet"
    console.print(f"{row.name}: {row.state}, {row.finished} of {row.target} finished ({states})", highlight=False)
    console.print(f"best {row.objective.metric} ({row.objective.direction}): {row.best()}", highlight=False)
    shown_ones = row.records if every else _important(row)
    if shown_ones:
        console.print(_trials_table(shown_ones, working, row.digits))
    if len(shown_ones) < len(row.records):
        console.print(f"{len(shown_ones)} of {len(row.records):,} trials; --all shows all", highlight=False)


def _important(row: StudyRow) -> Sequence[TrialRecord]:
    if len(row.records) <= MOST_TRIALS:
        return row.records
    running = [record for record in row.records if record.state == "RUNNING"]
    failed = [record for record in row.records if record.state == "FAILED"]
    valued = [(record.value, record) for record in row.records if record.value is not None]
    best = [record for _, record in sorted(valued, key=lambda pair: -row.objective.sign * pair[0])]
    return [*running, *failed, *best][:MOST_TRIALS]


def _trials_table(records: Sequence[TrialRecord], working: Mapping[str, tuple[str, Status]], digits: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("trial", overflow="fold")
    table.add_column("state", no_wrap=True)
    for title in ("attempts", "objective", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for record in records:
        note = record.reason or ""
        if record.state == "RUNNING" and record.key in working:
            worker, status = working[record.key]
            note = f"{status_text(status).removeprefix(f'{record.key}: ')} ({worker})"
        elif record.state == "RUNNING":
            note = "its worker is gone; another one will go on"
        table.add_row(
            record.key,
            record.state,
            str(record.attempts),
            "" if record.value is None else f"{record.value:.{digits}f}",
            "" if record.duration_s is None else duration_text(record.duration_s),
            note,
        )
    return table


def _when(moment: float) -> str:
    ago = time.time() - moment
    return f"{duration_text(max(0.0, ago))} ago" if ago < 86400 else time.strftime("%Y-%m-%d", time.localtime(moment))
