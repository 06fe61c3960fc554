"""What a table of ratios shows and what it does not.

Whatever is printed about ratios asks here, so that no two places can disagree.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sweep.answer.ratios import Certainty, RatioRow, RatioTable
from sweep.evaluation.comparison import Comparison
from sweep.settings import Objective
from sweep.statistics.power import Noise, noise_of
from sweep.statistics.uncertainty import LEVEL

ALPHA = 1 - LEVEL


def is_shown(comparison: Comparison) -> bool:
    """Whether a difference is, after Holm's correction over the table."""
    return comparison.p_holm < ALPHA


def is_better(comparison: Comparison, objective: Objective) -> bool:
    """Whether the system is shown to be better than the reference."""
    return is_shown(comparison) and objective.sign * comparison.difference > 0


def is_equal(comparison: Comparison, margin: float | None) -> bool:
    """Whether two ratios are shown to differ by less than the margin, by two one-sided tests."""
    return margin is not None and comparison.estimate.p_equivalent(margin) < ALPHA


def pairs_of(table: RatioTable) -> Iterator[Comparison]:
    """Every pair of ratios that the table shows, once: the larger ratio against the smaller where both are
    references."""
    references = [float(reference) for reference in table.rows[0].against] if table.rows else []
    for row in table.rows:
        for reference, comparison in row.against.items():
            if comparison is not None and not (row.ratio in references and row.ratio < float(reference)):
                yield comparison


def equal_pairs(table: RatioTable) -> list[tuple[float, str]]:
    """Ratios and the smaller references that they are equal to within the margin, both of several seeds."""
    return [
        (row.ratio, reference)
        for row in table.rows
        for reference, comparison in row.against.items()
        if comparison is not None and row.ratio > float(reference)
        if comparison.estimate.over_seeds and is_equal(comparison, table.margin)
    ]


def against_rival(table: RatioTable, objective: Objective) -> tuple[list[float], list[float]]:
    """The ratios of several seeds that are shown to beat what needs no training, and those that are not."""
    shown: dict[bool, list[float]] = {True: [], False: []}
    for row in judged(table):
        if row.against_rival is not None:
            shown[is_better(row.against_rival, objective)].append(row.ratio)
    return shown[True], shown[False]


def judged(table: RatioTable) -> list[RatioRow]:
    """The rows that something can be claimed of: with two seeds or more. None if there is one alone."""
    rows = [row for row in table.rows if row.seeds > 1]
    return rows if len(rows) > 1 else []


def leader(table: RatioTable, objective: Objective) -> RatioRow:
    """The row with the best mean: of those that may win if any does, and of those with two seeds if two have them."""
    rows = judged(table) or list(table.rows)
    rows = [row for row in rows if row.barred is None] or rows
    return max(rows, key=lambda row: objective.sign * row.figure.value)


def main_table(certainty: Certainty, objective: Objective) -> RatioTable | None:
    """The table that the answer is about: that of the best mean, of those with several seeds if there are any."""
    tables = certainty.tables
    best = {id(table): objective.sign * leader(table, objective).figure.value for table in tables}
    return max(tables, key=lambda table: (bool(judged(table)), best[id(table)]), default=None)


def may_be_best(table: RatioTable, row: RatioRow) -> bool | None:
    """Whether a ratio is in the confidence set; None where that cannot be said: there is none yet, or the ratio is
    none of those that it is made of."""
    return row.ratio in table.best if table.best and row.barred is None else None


def worse_members(table: RatioTable, objective: Objective) -> list[float]:
    """The ratios of the confidence set that a single comparison shows to be worse: the set has a correction of its
    own, by which they stay in it."""
    turned = (
        (one.reference, one.system, one) for one in pairs_of(table) if one.estimate.over_seeds and is_shown(one)
    )
    worse = {float(other if is_better(one, objective) else own) for other, own, one in turned}
    return [ratio for ratio in table.best if ratio in worse]


def two_seeds(rows: Iterable[RatioRow]) -> str | None:
    """What two seeds mean, if a ratio has two."""
    rows = list(rows)
    if not any(row.is_approximate for row in rows):
        return None
    leans = any(one.estimate.approximate for row in rows for one in row.against.values() if one is not None)
    why = ", the variance between seeds leans on that of all ratios" if leans else ""
    return f"Two seeds: intervals and p are approximate{why}."


def references_of(table: RatioTable, row: RatioRow) -> list[Comparison]:
    """A row against α = 1, 0 and 0.5, as far as they are others and about other seeds, too (or none is)."""
    over_seeds = bool(judged(table))
    known = [(float(reference), one) for reference, one in row.against.items() if one is not None]
    ordered = sorted(known, key=lambda pair: (pair[0] != 1, pair[0]))
    return [one for _, one in ordered if one.estimate.over_seeds or not over_seeds]


@dataclass(frozen=True)
class Claims:
    """What a table comes to. `differ`: some pair of ratios is shown to, or the set of the best leaves one out;
    `equal`: all pairs are equal within the margin."""

    differ: bool
    equal: bool
    compared: int  # pairs and rivals that Holm's correction is over

    @classmethod
    def of(cls, table: RatioTable) -> "Claims":
        """Judge a table whose ratios have several seeds."""
        pairs = list(pairs_of(table))
        over_seeds = [one for one in pairs if one.estimate.over_seeds]
        return cls(
            any(map(is_shown, over_seeds)) or 0 < len(table.best) < table.complete,
            bool(pairs) and len(over_seeds) == len(pairs) and all(is_equal(one, table.margin) for one in pairs),
            len(pairs) + sum(row.against_rival is not None for row in table.rows),
        )


def noise(table: RatioTable) -> Noise | None:
    """What hides a difference between two ratios that are not shown to differ, and not to be equal; None where there
    are none, and with one seed."""
    pairs = [one for one in pairs_of(table) if not is_shown(one) and not is_equal(one, table.margin)]
    seeds = min((row.seeds for row in judged(table)), default=0)
    alike = sum(row.seeds == seeds for row in table.rows)
    return noise_of([one.estimate for one in pairs], alike, max(Claims.of(table).compared, 1))
