"""Tables of how sure a study's answer is: ratios with intervals, and their differences with p."""

from collections.abc import Iterator

from sweep.answer.claims import is_shown, may_be_best
from sweep.answer.points import value_text
from sweep.answer.ratios import Certainty, RatioTable
from sweep.answer.rivals import Rivals
from sweep.evaluation.comparison import Comparison
from sweep.evaluation.metrics import digits_of
from sweep.page.chart import DataTable
from sweep.page.charts.wording import named
from sweep.report.certainty import verdicts
from sweep.report.rival_table import HEADER, p_text, rival_table, signed, verdict_of
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey


def certainty_tables(certainty: Certainty, objective: Objective) -> tuple[DataTable, ...]:
    """Two tables for every combination of the other searched values: figures, and differences."""
    digits = digits_of(MetricKey.parse(objective.metric)) - 1
    shown = (each for table in certainty.tables for each in _pair(table, objective, digits))
    return tuple(table for table in shown if table.rows)


def rival_tables(rivals: Rivals | None, objective: Objective) -> tuple[DataTable, ...]:
    """A table of the rivals of mixed batches, if the study has any."""
    if rivals is None:
        return ()
    table = rival_table(rivals, objective)
    marks = {(place, 6): row[-1] for place, row in enumerate(table.rows) if row[-1] in ("better", "worse")}
    caption = f"{named(objective.metric)}: {table.about}; {table.corrected}"
    return (DataTable(caption, HEADER, table.rows, marks),)


def certainty_lines(certainty: Certainty, objective: Objective) -> tuple[str, ...]:
    """What the tables come to, in sentences."""
    lines = [
        f"{table.others}: {line}" if table.others else line
        for table in certainty.tables
        for line in verdicts(table, objective)
    ]
    if certainty.is_partial:
        lines.append(
            f"Compared are combinations of at most {certainty.most_trials} trials, the best ones first; "
            "python -m sweep.compare compares any others."
        )
    return tuple(lines)


def _pair(table: RatioTable, objective: Objective, digits: int) -> Iterator[DataTable]:
    fewest, most = (end(row.seeds for row in table.rows) for end in (min, max))
    seeds = f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
    chance = f"questions and {seeds}" if most > 1 else "questions, one seed"
    where = f", {table.others}" if table.others else ""
    rows: list[tuple[str, ...]] = [
        (name, *_figure(one.value, one.interval, digits), "–", "–") for name, one in table.baselines.items()
    ]
    marks: dict[tuple[int, int], str] = {}
    for row in table.rows:
        is_best = row.ratio in table.best
        if is_best:
            marks[len(rows), 1] = "best"
        cells = _figure(row.figure.value, row.figure.interval, digits)
        member = {True: "yes", False: "no", None: "–"}[may_be_best(table, row)]
        rows.append((f"α = {value_text(row.ratio)}", *cells, str(row.seeds), member))
    header: tuple[str, ...] = ("ratio", "figure", "95 % interval", "seeds", "may be best")
    if not table.best:
        header, rows, marks = header[:-1], [row[:-1] for row in rows], {}
    caption = f"{named(objective.metric)}{where}: figures, with intervals over {chance}"
    yield DataTable(caption, header, tuple(rows), marks)
    yield _differences(table, objective, digits, where)


def _differences(table: RatioTable, objective: Objective, digits: int, where: str) -> DataTable:
    """Each comparison once, by what is compared with."""
    over_seeds = all(row.over_seeds for row in table.rows)
    about = "differences between ratios" if over_seeds else "differences between these trained models"
    rows: list[tuple[str, ...]] = []
    marks: dict[tuple[int, int], str] = {}
    for place, one in enumerate(_comparisons(table)):
        low, high = one.interval
        interval = f"{signed(low, digits)} to {signed(high, digits)}"
        verdict = verdict_of(one, objective)
        if is_shown(one):
            marks[place, 5] = verdict
        rows.append(
            (
                f"α = {one.system}",
                _name(one.reference, table.rival),
                signed(one.difference, digits),
                interval,
                p_text(one.p_holm),
                verdict,
            )
        )
    corrected = "p is corrected for all of this table (Holm), intervals are of each alone"
    caption = f"{named(objective.metric)}{where}: {about}; {corrected}"
    header = ("ratio", "against", "difference", "95 % interval", "p", "verdict")
    return DataTable(caption, header, tuple(rows), marks)


def _comparisons(table: RatioTable) -> Iterator[Comparison]:
    done: set[frozenset[str]] = set()
    for reference in table.rows[0].against:
        for row in table.rows:
            one = row.against[reference]
            pair = frozenset((value_text(row.ratio), reference))
            if one is not None and pair not in done:
                done.add(pair)
                yield one
    yield from (row.against_rival for row in table.rows if row.against_rival is not None)


def _name(reference: str, rival: str | None) -> str:
    return reference if reference == rival else f"α = {reference}"


def _figure(value: float, interval: tuple[float, float], digits: int) -> tuple[str, str]:
    low, high = interval
    texts = (f"{each:.{digits}f}".replace("-", "−") for each in (value, low, high))
    figure, low_text, high_text = texts
    return figure, f"{low_text} to {high_text}"
