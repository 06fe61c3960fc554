"""How sure a study's answer is: intervals of every ratio, and each against the ratios that it should beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.evaluation.comparison import Comparison, Figure, System, compare, figure, load_system
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.report.summary import by_point, shown
from sweep.settings import Objective

RATIO = "ratio.monolingual"
MOST_TRIALS = 200  # whose ranks are read and resampled; a large study has thousands


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
    combinations: dict[str, dict[float, list[TrialRecord]]] = {}
    for parameters, found in by_point(records):
        if RATIO in parameters:
            others = ", ".join(f"{path}={shown(value)}" for path, value in parameters.items() if path != RATIO)
            combinations.setdefault(others, {})[float(parameters[RATIO])] = found
    return {
        others: _rows({ratio: _system(folder, ratio, found) for ratio, found in ratios.items()}, metric, objective)
        for others, ratios in _within_budget(folder, combinations, objective).items()
    }


def _within_budget(
    folder: StudyFolder, combinations: dict[str, dict[float, list[TrialRecord]]], objective: Objective
) -> dict[str, dict[float, list[TrialRecord]]]:
    """Those that compare ratios, whose ranks are there: all, or in a large study the best ones."""
    sign = 1 if objective.direction == "maximize" else -1
    best = {
        others: max(sign * fmean(record.value or 0.0 for record in found) for found in ratios.values())
        for others, ratios in combinations.items()
    }
    kept, trials = set(), 0
    for others in sorted(combinations, key=lambda others: -best[others]):
        ratios = combinations[others]
        size = sum(map(len, ratios.values()))
        if len(ratios) < 2 or trials + size > MOST_TRIALS:
            continue
        trials += size
        kept.add(others)
    return {
        others: with_ranks
        for others, ratios in combinations.items()
        if others in kept and len(with_ranks := _with_ranks(folder, ratios)) > 1
    }


def _with_ranks(folder: StudyFolder, ratios: dict[float, list[TrialRecord]]) -> dict[float, list[TrialRecord]]:
    return {
        ratio: found
        for ratio, found in ratios.items()
        if all(folder.trial(record.key).ranks.exists() for record in found)
    }


def _system(folder: StudyFolder, ratio: float, found: list[TrialRecord]) -> tuple[System, int]:
    return load_system(shown(ratio), [folder.trial(record.key).ranks for record in found]), len(found)


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
        console.print(_table(rows, objective, others))
    compared = sum(record.state == "COMPLETE" and RATIO in record.parameters for record in records)
    if compared > MOST_TRIALS:
        console.print(
            f"Intervals and comparisons are for combinations of at most {MOST_TRIALS} trials, the best ones first; "
            "python -m sweep.compare compares any others.",
            highlight=False,
        )


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
