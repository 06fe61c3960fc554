"""The figures of studies as one table for a paper: a block of rows for every study and combination of other values.

LaTeX and Markdown print it; `sweep.report.explanation` has the sentences that say what its marks mean.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.answer.contents import RatioCurve, StudyReport
from sweep.answer.points import Spread, best_first, value_text
from sweep.answer.ratios import RATIO, RatioTable
from sweep.evaluation.comparison import Comparison, Figure
from sweep.evaluation.metrics import digits_of, metric_of
from sweep.evaluation.parts import label_of
from sweep.report.ratio_points import objective_key, points_by_ratio, whole_benchmark
from sweep.settings.metric_key import MetricKey
from sweep.statistics.uncertainty import LEVEL, Interval, holm

COLUMNS = ("mono/map", "cross/map", "pooled/map", "pooled/alignment_consistency", "pooled/rank_distance")
MARKS = {"1": "†", "rival": "‡", "0": "§", "0.5": "¶"}  # of a ratio that is shown to be better than this
RIVAL = "rival"
MOST_POINTS = 40  # rows of a study whose ratios cannot be compared


@dataclass(frozen=True)
class Cell:
    """A figure with its 95 % interval, or where it has none with the standard deviation between its seeds."""

    figure: float
    interval: Interval | None = None
    deviation: float | None = None
    is_best: bool = False


@dataclass(frozen=True)
class Line:
    """A row: a ratio, a baseline, or a point of a study whose ratios are not compared. `cells` by the metric's key
    without its benchmark; `marks` are keys of MARKS; `seeds` is 0 of what was not trained."""

    name: str
    cells: Mapping[str, Cell]
    seeds: int = 0
    ratio: float | None = None
    may_be_best: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """The rows of one study with the same other values. `table` is what they are from, None where its ratios are not
    compared. `metric` is the objective's key without its benchmark."""

    report: StudyReport
    benchmark: str
    metric: str
    table: RatioTable | None
    lines: tuple[Line, ...]

    @property
    def over_seeds(self) -> bool:
        """Whether anything is said about the ratios themselves."""
        return self.table is not None and all(row.over_seeds for row in self.table.rows)


@dataclass(frozen=True)
class PaperTable:
    """Blocks with the same columns (keys without benchmark). `comparisons`: how many the marks are corrected for.
    `without_figures`: the names of studies that have no block."""

    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    comparisons: int
    without_figures: tuple[str, ...] = ()

    @property
    def rows(self) -> str:
        """What heads the names of the rows: they are ratios, or there are points of other values among them."""
        trained = [line for block in self.blocks for line in block.lines if line.seeds]
        return "α" if all(line.ratio is not None for line in trained) else "point"


def paper_table(reports: Sequence[StudyReport]) -> PaperTable:
    """One table of some studies. Holm's correction is over all comparisons that the table marks, of all blocks."""
    blocks = [block for report in reports for block in _blocks(report)]
    compared = [one for block in blocks for one in _comparisons(block.table)]
    corrected = iter(holm([one.p for one in compared]) if compared else ())
    marked = []
    for block in blocks:
        shown = {(one.reference, one.system): float(next(corrected)) for one in _comparisons(block.table)}
        lines = tuple(replace(line, marks=_marks(line, block, shown)) for line in block.lines)
        marked.append(replace(block, lines=lines))
    objectives = dict.fromkeys(block.metric for block in blocks)
    there = {name for block in blocks for line in block.lines for name in line.cells}
    columns = tuple(name for name in dict.fromkeys([*objectives, *COLUMNS]) if name in there)
    names = {block.report.name for block in blocks}
    lacking = tuple(report.name for report in reports if report.name not in names)
    return PaperTable(columns, tuple(marked), len(compared), lacking)


def column_title(name: str) -> str:
    """What a column is headed by, such as "cross mAP" or "alignment, low"."""
    key = MetricKey.parse(f"/{name}")
    try:
        metric = metric_of(key.whole)
    except KeyError:
        return name
    title = f"{key.family} {metric.label}" if len(metric.families) > 1 else metric.label
    return f"{title}, {label_of(key.part)}" if key.part else title


def column_digits(name: str) -> int:
    """Digits after the decimal point, as in the tables of the terminal."""
    return digits_of(MetricKey.parse(f"/{name}")) - 1


def _blocks(report: StudyReport) -> Iterator[Block]:
    key = objective_key(report)
    for table in report.answer.certainty.tables:
        lines = _best_marked(report, key.name, _ratio_lines(report, table, key))
        yield Block(report, key.benchmark, key.name, table, lines)
    if not report.answer.certainty.tables and report.answer.points:
        lines = _best_marked(report, key.name, _point_lines(report, key))
        yield Block(report, key.benchmark, key.name, None, lines)


def _ratio_lines(report: StudyReport, table: RatioTable, key: MetricKey) -> list[tuple[Line, bool]]:
    """The lines of baselines and ratios, and whether each may be chosen as the best."""
    curves = list(_curves(report, table.others, key))
    points, most = points_by_ratio(report), max(row.seeds for row in table.rows)
    lines = []
    for name, figure in table.baselines.items():
        cells = {column: _cell(curve.baselines[name]) for column, curve in curves if name in curve.baselines}
        lines.append((Line(name, cells | {key.name: _cell(figure)}), False))
    for row in table.rows:
        point = points.get((table.others, row.ratio))
        cells = {} if point is None else _cells(point.figures, key)
        for column, curve in curves:
            dot = next((dot for dot in curve.dots if dot.ratio == row.ratio), None)
            if dot is not None:
                cells[column] = Cell(dot.mean, dot.interval)
        cells[key.name] = _cell(row.figure)
        line = Line(value_text(row.ratio), cells, row.seeds, row.ratio, row.ratio in table.best)
        lines.append((line, row.seeds == most and (point is None or point.may_win)))
    return lines


def _point_lines(report: StudyReport, key: MetricKey) -> list[tuple[Line, bool]]:
    """The lines of baselines, and of the best points with their means."""
    answer, lines = report.answer, []
    for baseline in answer.baselines:
        cells = _cells(baseline.figures, key)
        if cells:
            lines.append((Line(baseline.name, cells), False))
    chosen = {id(point) for point in best_first(answer.points, answer.objectives[0])[:MOST_POINTS]}
    most = max(len(point.records) for point in answer.points)
    for point in answer.points:
        if id(point) in chosen:
            cells = _cells(point.figures, key)
            ratio = float(point.parameters[RATIO]) if list(point.parameters) == [RATIO] else None
            name = value_text(ratio) if ratio is not None else point.text or "the only point"
            seeds = len(point.records)
            lines.append((Line(name, cells, seeds, ratio), seeds == most and point.may_win))
    return lines


def _best_marked(report: StudyReport, metric: str, lines: Sequence[tuple[Line, bool]]) -> tuple[Line, ...]:
    """With the best means of the lines that may be chosen, where there are several; means that print the same are
    equally good."""
    rivals = [line for line, competes in lines if competes]
    best: dict[str, str] = {}
    for name in {name for line in rivals for name in line.cells}:
        sign = report.answer.objectives[0].sign if name == metric else _sign(name)
        figures = [line.cells[name].figure for line in rivals if name in line.cells]
        if sign and len(figures) > 1:
            best[name] = f"{sign * max(sign * figure for figure in figures):.{column_digits(name)}f}"
    return tuple(
        replace(
            line,
            cells={
                name: replace(cell, is_best=competes and f"{cell.figure:.{column_digits(name)}f}" == best.get(name))
                for name, cell in line.cells.items()
            },
        )
        for line, competes in lines
    )


def _sign(name: str) -> int:
    try:
        return {"higher": 1, "lower": -1}.get(metric_of(MetricKey.parse(f"/{name}").whole).better, 0)
    except KeyError:
        return 0


def _curves(report: StudyReport, others: str, key: MetricKey) -> Iterator[tuple[str, RatioCurve]]:
    """The curves of the table's columns: of the objective's benchmark, with these other values."""
    for curve in report.curves:
        own = MetricKey.parse(curve.key)
        if (
            own.name in COLUMNS
            and curve.others == others
            and whole_benchmark(own.benchmark) == whole_benchmark(key.benchmark)
        ):
            yield own.name, curve


def _cells(figures: Mapping[str, Spread], key: MetricKey) -> dict[str, Cell]:
    """Those of the table's columns, on the benchmark of the objective."""
    keys = {name: f"{key.benchmark}/{name}" for name in (*COLUMNS, key.name)}
    spreads = {name: figures[text] for name, text in keys.items() if text in figures}
    return {name: Cell(spread.mean, None, spread.deviation) for name, spread in spreads.items()}


def _cell(figure: Figure) -> Cell:
    return Cell(figure.value, figure.interval)


def _comparisons(table: RatioTable | None) -> Iterator[Comparison]:
    """Each pair of systems once, as it is first compared."""
    done: set[frozenset[str]] = set()
    for row in () if table is None else table.rows:
        for one in (*row.against.values(), row.against_rival):
            if one is not None and frozenset((one.reference, one.system)) not in done:
                done.add(frozenset((one.reference, one.system)))
                yield one


def _marks(line: Line, block: Block, p_holm: Mapping[tuple[str, str], float]) -> tuple[str, ...]:
    """What a ratio is shown to be better than; with one seed nothing is."""
    if line.ratio is None or block.table is None:
        return ()
    row = next(row for row in block.table.rows if row.ratio == line.ratio)
    sign = block.report.answer.objectives[0].sign
    marks = []
    for name, one in {**row.against, RIVAL: row.against_rival}.items():
        if one is None or name not in MARKS or not one.estimate.over_seeds:
            continue
        pair = one.reference, one.system
        p = p_holm[pair] if pair in p_holm else p_holm[pair[::-1]]
        if sign * one.difference > 0 and p < 1 - LEVEL:
            marks.append(name)
    return tuple(name for name in MARKS if name in marks)
