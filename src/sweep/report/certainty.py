"""How sure a study's answer is: intervals of every ratio, and each against the ratios that it should beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.records import StudyFolder, TrialRecord
from sweep.report.comparison import Comparison, Figure, System, compare, figure, load_system
from sweep.report.summary import by_point, shown
from sweep.settings import Objective

RATIO = "ratio.monolingual"


@dataclass(frozen=True)
class RatioRow:
    """One ratio: its figure, and its comparison with each reference (None for the reference itself)."""

    ratio: float
    figure: Figure
    seeds: int
    against: dict[str, Comparison | None]


def ratio_rows(
    folder: StudyFolder, records: Sequence[TrialRecord], objective: Objective, benchmark: str
) -> dict[str, list[RatioRow]]:
    """For every combination of the other searched values (as text), its ratios in ascending order.

    References are the better one of the two single-kind ratios (0: only cross-lingual, 1: only monolingual batches),
    and 0.5, as far as the study has them.
    """
    metric = objective.metric.removeprefix(f"{benchmark}/")
    if metric.startswith("geometry/"):
        return {}
    combinations: dict[str, dict[float, tuple[System, int]]] = {}
    for parameters, found in by_point(records):
        files = [folder.trial(record.key).ranks for record in found]
        if RATIO not in parameters or not all(file.exists() for file in files):
            continue
        others = ", ".join(f"{path}={shown(value)}" for path, value in parameters.items() if path != RATIO)
        ratio = float(parameters[RATIO])
        combinations.setdefault(others, {})[ratio] = load_system(shown(ratio), files), len(found)
    return {others: _rows(systems, metric, objective) for others, systems in combinations.items()}


def _rows(systems: dict[float, tuple[System, int]], metric: str, objective: Objective) -> list[RatioRow]:
    figures = {ratio: figure(system, metric) for ratio, (system, _) in systems.items()}
    sign = 1 if objective.direction == "maximize" else -1
    single = [ratio for ratio in (0.0, 1.0) if ratio in systems]
    references = [max(single, key=lambda ratio: sign * figures[ratio].value)] if single else []
    references += [0.5] if 0.5 in systems else []
    against: dict[float, dict[str, Comparison | None]] = {ratio: {} for ratio in systems}
    for reference in references:
        others = [ratio for ratio in systems if ratio != reference]
        compared = compare(systems[reference][0], [systems[ratio][0] for ratio in others], metric)
        for ratio, comparison in zip(others, compared, strict=True):
            against[ratio][shown(reference)] = comparison
        against[reference][shown(reference)] = None
    return [RatioRow(ratio, figures[ratio], systems[ratio][1], against[ratio]) for ratio in sorted(systems)]


def print_certainty(
    console: Console, folder: StudyFolder, records: Sequence[TrialRecord], objective: Objective, benchmark: str
) -> None:
    """Print, for every combination of the other searched values, a table of the ratios."""
    for others, rows in ratio_rows(folder, records, objective, benchmark).items():
        if len(rows) > 1:
            console.print(_table(rows, objective, others))


def _table(rows: list[RatioRow], objective: Objective, others: str) -> Table:
    title = f"How sure: {objective.metric}, 95 % intervals over questions{_over_seeds(rows)}"
    table = Table(title=f"{title}{f', {others}' if others else ''}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(RATIO, justify="right", no_wrap=True)
    table.add_column("figure", justify="right")
    table.add_column("95 %", justify="right", no_wrap=True)
    for reference in rows[0].against:
        table.add_column(f"against {reference}", justify="right", no_wrap=True)
        table.add_column("p (Holm)", justify="right")
    for row in rows:
        cells: list[Any] = [shown(row.ratio), f"{row.figure.value:.3f}", _interval(row.figure.interval)]
        for comparison in row.against.values():
            cells += ["–", ""] if comparison is None else [_difference(comparison), _p(comparison.p_holm)]
        table.add_row(*cells)
    return table


def _over_seeds(rows: list[RatioRow]) -> str:
    seeds = max(row.seeds for row in rows)
    return f" and {seeds} seeds" if seeds > 1 else ", one seed"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _difference(comparison: Comparison) -> str:
    return f"{comparison.difference:+.3f} ({comparison.interval[0]:+.3f} to {comparison.interval[1]:+.3f})"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"
