"""The table at the end of a study: searched values against the metrics that answer its question."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.records import TrialRecord
from sweep.settings import Objective

COLUMNS = {
    "mono mAP": "mono/map",
    "cross mAP": "cross/map",
    "pooled mAP": "pooled/map",
    "align. all": "pooled/alignment_consistency",
    "align. low": "pooled/alignment_consistency/low",
    "align. unseen": "pooled/alignment_consistency/unseen",
    "rank distance": "pooled/rank_distance",
}

Row = tuple[dict[str, Any], list[TrialRecord]]


def by_point(records: Sequence[TrialRecord]) -> list[Row]:
    """COMPLETE trials grouped by their point (all seeds together), in order of the searched values."""
    points: dict[str, Row] = {}
    for record in records:
        if record.state == "COMPLETE":
            points.setdefault(repr(sorted(record.parameters.items())), (record.parameters, []))[1].append(record)
    return sorted(points.values(), key=lambda row: [(isinstance(v, str), v) for v in map(_sortable, row[0].values())])


def _sortable(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else str(value)


def best_point(records: Sequence[TrialRecord], objective: Objective) -> Row | None:
    """The point with the best mean objective over its seeds."""
    rows = by_point(records)
    sign = 1 if objective.direction == "maximize" else -1
    return max(rows, key=lambda row: sign * fmean(record.value or 0.0 for record in row[1]), default=None)


def mean_and_spread(records: Sequence[TrialRecord], metric: str, digits: int = 3) -> str:
    """Mean over seeds, with the standard deviation between seeds where there are several; a dash if absent."""
    values = [record.metrics[metric] for record in records if metric in record.metrics]
    if not values:
        return "–"
    text = f"{fmean(values):.{digits}f}"
    return f"{text}±{stdev(values):.{digits}f}" if len(values) > 1 else text


def results_table(records: Sequence[TrialRecord], benchmark: str) -> Table:
    """Searched values x (mono, cross, pooled mAP, alignment consistency all / low / unseen, rank distance)."""
    rows = by_point(records)
    paths = sorted({path for parameters, _ in rows for path in parameters})
    seeds = max((len(found) for _, found in rows), default=0)
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    table = Table(title=f"{benchmark}: {spread}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for path in paths:
        table.add_column(path, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    for column in COLUMNS:
        table.add_column(column, justify="right", overflow="fold")
    for parameters, found in rows:
        cells = [_shown(parameters[path]) if path in parameters else "–" for path in paths]
        for metric in COLUMNS.values():
            digits = 0 if metric.endswith("rank_distance") else 3
            cells.append(mean_and_spread(found, f"{benchmark}/{metric}", digits))
        table.add_row(*cells[: len(paths)], str(len(found)), *cells[len(paths) :])
    return table


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def print_summary(console: Console, records: Sequence[TrialRecord], benchmark: str, objective: Objective) -> None:
    """The results table, the best point by the study's objective, and the trials that failed."""
    if by_point(records):
        console.print(results_table(records, benchmark))
    best = best_point(records, objective)
    if best is not None:
        parameters, found = best
        point = ", ".join(f"{path}={_shown(value)}" for path, value in parameters.items()) or "the only point"
        value = mean_and_spread(found, objective.metric)
        console.print(f"Best by {objective.metric} ({objective.direction}): {point} with {value}", markup=False)
    for record in records:
        if record.state == "FAILED":
            console.print(f"FAILED {record.key}: {record.reason}", style="red", markup=False, highlight=False)
