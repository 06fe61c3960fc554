"""The sentences that say what a paper's table shows: what its intervals are over, its marks, and what follows."""

from collections.abc import Iterator, Mapping, Sequence

from sweep.answer.claims import two_seeds
from sweep.answer.points import value_text
from sweep.report.paper_table import MARKS, RIVAL, Block, PaperTable, column_digits, column_title

SET_MARK = "∗"
STATES = {"running": "is still running", "stopped": "was stopped", "failed trials": "has failed trials"}


def explanation(table: PaperTable) -> list[str]:
    """Sentences for the caption of a table or the text below it, without any markup."""
    return [
        *_only(table.blocks),
        *(f"Study {name} has no finished trial yet, and so no figures." for name in table.without_figures),
        *_unfinished(table.blocks),
        *_intervals(table.blocks),
        *_bold(table),
        *_set(table.blocks),
        *_marked(table),
        *_beyond(table.blocks),
    ]


def block_title(block: Block) -> str:
    """Such as "grid, xquad_r, train.steps=100"."""
    others = "" if block.table is None else block.table.others
    return ", ".join(part for part in (block.report.name, block.benchmark, others) if part)


def _only(blocks: Sequence[Block]) -> Iterator[str]:
    """What a single block is of, which has no row of its own that says so."""
    if len(blocks) == 1:
        others = "" if blocks[0].table is None else blocks[0].table.others
        yield f"Study {blocks[0].report.name} on {blocks[0].benchmark}{f', with {others}' if others else ''}."


def _unfinished(blocks: Sequence[Block]) -> Iterator[str]:
    for report in {id(block.report): block.report for block in blocks}.values():
        if report.finished < report.target:
            yield (
                f"Study {report.name} {STATES.get(report.state, 'is not complete')}: "
                f"{report.finished} of {report.target} trials are finished, and figures may change."
            )


def _intervals(blocks: Sequence[Block]) -> Iterator[str]:
    seeds = {row.seeds for block in blocks if block.table is not None for row in block.table.rows}
    if seeds - {1}:
        yield "Ratios: mean over seeds with its 95 % interval, which counts both the questions and the seeds."
    if 1 in seeds:
        yield (
            "With one seed the interval is over questions alone: the figures are those of these trained models, and "
            "nothing is said about the ratios themselves."
        )
    if any(line.seeds == 0 and line.cells for block in blocks if block.table for line in block.lines):
        yield "What has no seeds needs no training; its intervals are over questions."
    if any(cell.deviation is not None for block in blocks for line in block.lines for cell in line.cells.values()):
        yield "±: standard deviation between seeds, where there is no interval."
    line = two_seeds(row for block in blocks if block.table for row in block.table.rows)
    if line is not None:
        yield line


def _bold(table: PaperTable) -> Iterator[str]:
    if any(cell.is_best for block in table.blocks for line in block.lines for cell in line.cells.values()):
        rows = "a block of rows" if len(table.blocks) > 1 else "its column"
        yield (
            f"Bold: the best mean of {rows}, not counting what needs no training or lacks a seed. It was chosen "
            "for being the best and so is too good; that a mean is bold does not show it to be better."
        )


def _set(blocks: Sequence[Block]) -> Iterator[str]:
    """The confidence set, which is the answer, and its figure without the flattery of choosing."""
    named = [block for block in blocks if block.table is not None and block.table.best]
    if not named:
        return
    metrics = ", ".join(column_title(name) for name in dict.fromkeys(block.metric for block in named))
    yield (
        f"{SET_MARK}: the ratios that may be the best by {metrics} (95 % confidence set: none of the others is shown "
        "to be better). This set is the answer, and not the bold mean."
    )
    several = len(blocks) > 1
    for block in named:
        barred = [value_text(row.ratio) for row in block.table.rows if row.barred] if block.table is not None else []
        if barred:
            where = f" ({block_title(block)})" if several else ""
            names = ", ".join(barred)
            yield f"Not judged by it, for lacking seeds or breaking a constraint{where}: α = {names}."
        if block.table is not None and block.table.cross_fitted is not None:
            where = f" ({block_title(block)})" if several else ""
            figure = f"{block.table.cross_fitted:.{column_digits(block.metric)}f}"
            yield (
                f"Cross-fitted figure of the best of {block.table.complete} ratios{where}: "
                f"{column_title(block.metric)} {figure}."
            )


def _marked(table: PaperTable) -> Iterator[str]:
    """The marks of all comparisons that were made, whether a ratio has them or not: a mark that is lacking says that
    nothing was shown."""
    over_seeds = [block for block in table.blocks if block.over_seeds]
    if not over_seeds:
        return
    made = {
        name
        for block in over_seeds
        if block.table is not None
        for row in block.table.rows
        for name, one in {**row.against, RIVAL: row.against_rival}.items()
        if one is not None
    }
    meanings = [f"{mark} than {_reference(name, over_seeds)}" for name, mark in MARKS.items() if name in made]
    if meanings:
        metrics = ", ".join(column_title(name) for name in dict.fromkeys(block.metric for block in over_seeds))
        number = "" if table.comparisons == 1 else f" for all {table.comparisons} comparisons of this table"
        yield (
            f"Shown to be better by {metrics}: {', '.join(meanings)} (two-sided t test over questions and seeds, "
            f"p < 0.05 after Holm's correction{number}). No mark: not shown, and that is no evidence of equality."
        )


def _reference(name: str, blocks: Sequence[Block]) -> str:
    if name != RIVAL:
        return f"α = {name}"
    rivals = dict.fromkeys(block.table.rival for block in blocks if block.table is not None and block.table.rival)
    return " or ".join(map(str, rivals)) + ", which needs no training"


def _beyond(blocks: Sequence[Block]) -> Iterator[str]:
    """What the table leaves out, and what it does not compare."""
    reports = list({id(block.report): block.report for block in blocks}.values())
    for report in reports:
        if report.answer.chosen_by != report.answer.objectives[0].metric:
            yield (f"Study {report.name} chose by one half of the questions; every figure here is of the other half.")
        certainty = report.answer.certainty
        if certainty.is_partial:
            yield (
                f"Study {report.name}: compared are combinations of at most {certainty.most_trials} trials, the best "
                "ones first."
            )
        if not certainty.tables and report.answer.points:
            yield f"Study {report.name} has no ratios that can be compared: no differences are tested."
    if len(blocks) > len(reports):
        yield "Ratios are compared with those of the same other values only."
    if len(reports) > 1:
        yield (
            "Comparisons are within a study. Between studies none is made here: their questions, tiers and seeds may "
            "be others. Where questions and tiers are the same, python -m sweep.compare compares two ratios of two "
            "studies."
        )


def marks_of(marks: Sequence[str], is_member: bool, signs: Mapping[str, str] = MARKS) -> str:
    """The marks behind a figure: of the confidence set first."""
    return SET_MARK * is_member + "".join(signs[name] for name in marks)
