"""Mixed batches against their rivals, as rows of a page or a paper."""

from dataclasses import dataclass

from sweep.answer.claims import is_better, is_shown
from sweep.answer.rivals import Rivals
from sweep.evaluation.comparison import Comparison
from sweep.evaluation.metrics import digits_of
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

HEADER = ("rival", "figure", "seeds", "difference", "95 % interval", "p", "verdict")
NOT_SHOWN = "not shown"
_DASH = "–"


@dataclass(frozen=True)
class RivalTable:
    """A row for mixed batches, the first, and one a rival, under HEADER; what p and the intervals are of."""

    rows: tuple[tuple[str, ...], ...]
    about: str
    corrected: str = "p is corrected for all of this table (Holm), intervals are of each alone"


def rival_table(rivals: Rivals, objective: Objective) -> RivalTable:
    """The table of a study's rivals."""
    digits = digits_of(MetricKey.parse(objective.metric)) - 1
    between = "differences from" if rivals.over_seeds else "differences, between these trained models, from"
    rows = [(rivals.mixed, f"{rivals.figure.value:.{digits}f}", str(rivals.seeds), *[_DASH] * 4)]
    for row in rivals.rows:
        low, high = (signed(end, digits) for end in row.against.interval)
        difference, p = signed(row.against.difference, digits), p_text(row.against.p_holm)
        verdict = verdict_of(row.against, objective)
        figure = f"{row.figure.value:.{digits}f}", str(row.seeds or _DASH)
        rows.append((row.name, *figure, difference, f"{low} to {high}", p, verdict))
    return RivalTable(tuple(rows), f"rivals, with {between} {rivals.mixed}")


def signed(value: float, digits: int) -> str:
    """A difference with its sign, which is a minus and no hyphen."""
    return f"{value:+.{digits}f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value in a table."""
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"


def verdict_of(one: Comparison, objective: Objective) -> str:
    """What a comparison shows: better, worse, or nothing."""
    if not is_shown(one):
        return NOT_SHOWN
    return "better" if is_better(one, objective) else "worse"
