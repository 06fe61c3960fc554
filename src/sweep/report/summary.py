"""The table at the end of a study: searched values against the metrics that answer its question."""

import json
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.records.folder import ResultFolder, StudyFolder
from sweep.records.table import read_metrics
from sweep.records.trial_record import TrialRecord
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

MOST_POINTS = 40  # rows of the table
MOST_FAILURES = 20

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
    """The point with the best mean objective over its seeds, among those that keep the study's constraints."""
    rows = [row for row in by_point(records) if all(record.violation <= 0 for record in row[1])]
    return next(iter(_best(rows, objective, 1)), None)


def _best(rows: Sequence[Row], objective: Objective, most: int) -> list[Row]:
    """The best points by their mean objective, best first."""
    return sorted(rows, key=lambda row: -objective.sign * fmean(record.value or 0.0 for record in row[1]))[:most]


def mean_and_spread(metrics: Sequence[Mapping[str, float]], key: str, digits: int = 3) -> str:
    """Mean over seeds, with the standard deviation between seeds where there are several; a dash if absent."""
    values = [found[key] for found in metrics if key in found]
    if not values:
        return "–"
    text = f"{fmean(values):.{digits}f}"
    return f"{text}±{stdev(values):.{digits}f}" if len(values) > 1 else text


def results_table(
    rows: Sequence[Row],
    metrics: Mapping[str, Mapping[str, float]],
    benchmark: str,
    baselines: Sequence[ResultFolder] = (),
) -> Table:
    """Searched values x (mono, cross, pooled mAP, alignment consistency all / low / unseen, rank distance), and the
    same for the models before any training. `metrics`: those of the columns, by key."""
    paths = sorted({path for parameters, _ in rows for path in parameters})
    seeds = max((len(found) for _, found in rows), default=0)
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    table = Table(title=f"{benchmark}: {spread}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for path in paths:
        table.add_column(path, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    for column in COLUMNS:
        table.add_column(column, justify="right", overflow="fold")
    for folder in baselines:
        untrained = ["untrained", *["–"] * len(paths)][: len(paths) + 1]
        table.add_row(*untrained, *_figures([json.loads(folder.metrics.read_text())], benchmark))
    for parameters, found in rows:
        cells = [shown(parameters[path]) if path in parameters else "–" for path in paths]
        table.add_row(
            *cells, str(len(found)), *_figures([metrics.get(record.key, {}) for record in found], benchmark)
        )
    return table


def _figures(metrics: Sequence[Mapping[str, float]], benchmark: str) -> list[str]:
    """The cells of a row from the metrics of each seed."""
    digits = {title: 0 if name.endswith("rank_distance") else 3 for title, name in COLUMNS.items()}
    return [mean_and_spread(metrics, f"{benchmark}/{name}", digits[title]) for title, name in COLUMNS.items()]


def shown(value: Any) -> str:
    """A searched value as text."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def print_summary(
    console: Console,
    folder: StudyFolder,
    records: Sequence[TrialRecord],
    benchmark: str,
    objectives: Sequence[Objective],
) -> None:
    """The results table (from trials.csv), the best point by the study's objective if there is a single one, and the
    trials that failed."""
    rows, objective = by_point(records), objectives[0]
    if rows:
        shown_ones = {id(row) for row in _best(rows, objective, MOST_POINTS)}
        metrics = read_metrics(folder.trials_csv, [f"{benchmark}/{name}" for name in COLUMNS.values()])
        table_rows = [row for row in rows if id(row) in shown_ones]
        console.print(results_table(table_rows, metrics, benchmark, folder.baselines()))
    if len(rows) > MOST_POINTS:
        console.print(f"The best {MOST_POINTS} of {len(rows):,} points; trials.csv has all of them.", highlight=False)
    best = best_point(records, objective) if len(objectives) == 1 else None
    if best is not None:
        parameters, found = best
        point = ", ".join(f"{path}={shown(value)}" for path, value in parameters.items()) or "the only point"
        values = [{objective.metric: record.value} for record in found if record.value is not None]
        value = mean_and_spread(values, objective.metric)
        console.print(f"Best by {objective.metric} ({objective.direction}): {point} with {value}", markup=False)
    failed = [record for record in records if record.state == "FAILED"]
    lines = [f"FAILED {record.key}: {record.reason}" for record in failed[:MOST_FAILURES]]
    if len(failed) > MOST_FAILURES:
        lines.append(f"FAILED: {len(failed) - MOST_FAILURES:,} more; trials.csv has their reasons")
    for line in lines:
        console.print(line, style="red", markup=False, highlight=False)
