"""`python -m sweep.mine`: mine hard negatives for training data with any encoder."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from sweep.commands.command_line import arguments, config_dir_of, console, options_text, run
from sweep.errors import InputError, Interrupted
from sweep.launch.interruption import Interruption
from sweep.records.caching import usable_cache
from sweep.records.faiss_packages import check_one_faiss
from sweep.report.plain_console import PlainConsole, say
from sweep.settings import MineSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_mine_settings
from sweep.settings.tree import group_options

if TYPE_CHECKING:
    from sweep.mining.summary import Summary

EXAMPLES = """examples:
  python -m sweep.mine data=mlqa_r model=me5_small output=mlqa_r.jsonl
  python -m sweep.mine data=squad data.path=FOLDER 'languages.train=[en,sw]' model=hf model.path=FOLDER \\
      mine.language=balanced 'mine.ranks=[10,200]' mine.draw=random output=rows.parquet

Repeat a command that was interrupted: what is finished is kept in the cache."""
SHOWN = 8  # languages of negatives in the table
INTERRUPTED = (
    "interrupted; embeddings and rows that were finished are kept in the cache: the same command goes on from there"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, 2 for bad input, or 130 when interrupted."""
    given = list(sys.argv[1:] if argv is None else argv)
    known = group_options(config_dir_of(given))
    groups = {name: choices for name, choices in known.items() if name in ("data", "model", "languages")}
    options = arguments(
        "python -m sweep.mine",
        "Mine hard negatives: passages of the training data that an encoder ranks high for a question and that do "
        "not answer it. Writes the rows of the data with their negatives.",
        f"config groups (group=choice):\n{options_text(groups)}\n\n{EXAMPLES}",
    ).parse_intermixed_args(given)

    def command() -> int:
        composer = Composer("mine", options.overrides, options.config_dir)
        if options.cfg:
            print(composer.yaml(), end="")
            return 0
        return _mine(load_mine_settings(composer))

    return run(command, options.traceback)


def _mine(settings: MineSettings) -> int:
    if not settings.model.pretrained:
        raise InputError(
            f"model={settings.model.kind} has no weights before it is trained; choose model=hf model.path=FOLDER"
        )
    if not settings.languages.train:
        raise InputError("languages.train is empty: there is nothing to mine; name the languages of the data")
    check_one_faiss()
    cache = usable_cache(settings.paths)
    threads = settings.threads or os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the cores to others

    from sweep.data.row_writer import check_output
    from sweep.mining.rows_file import ENDS

    output = Path(settings.output)
    check_output(output, (), ENDS)

    import torch  # after the settings are known to be right, and after the number of threads is set

    from sweep.mining.job import mine_to_file
    from sweep.model.registry import build_retriever
    from sweep.model.resolution import model_lines, resolved
    from sweep.trial.pipeline import make_accelerator

    torch.set_num_threads(threads)
    asked, settings = settings, resolved(settings)
    accelerator = make_accelerator()
    if accelerator.num_processes > 1:
        raise InputError("python -m sweep.mine runs in one process; start it without accelerate or torchrun")
    try:
        with Interruption(), _bars() as progress:
            retriever = build_retriever(settings.model, (), cache, seed=0)
            for line in model_lines(asked.model):
                console().print(line, markup=False, highlight=False, soft_wrap=True)
            summary, notes = mine_to_file(settings, output, retriever, accelerator, cache, progress)
    except KeyboardInterrupt as error:
        raise Interrupted(INTERRUPTED) from error
    _print(summary, notes)
    say(f"{summary.rows:,} rows: {output}")
    return 0


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """Takes what is done, how many of it, and of how many; a bar for each, which goes at the end."""
    terminal = PlainConsole(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(task: str, done: int, size: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=size)
            bars.update(tasks[task], completed=done)

        yield progress


def _print(summary: "Summary", notes: tuple[str, ...]) -> None:
    """The tables: rows by language, what was refused, scores. They fit a terminal of 80 columns."""
    out = console()
    out.print(_languages(summary))
    out.print(_refused(summary))
    out.print(_scores(summary))
    if summary.short:
        out.print(
            f"{summary.short:,} of {summary.rows:,} rows have fewer than mine.negatives={summary.asked} negatives, "
            f"{summary.without:,} of them none; wider mine.ranks or a milder filter gives more.",
            soft_wrap=True,
        )
    for note in notes:
        out.print(note, soft_wrap=True)


def _languages(summary: "Summary") -> Table:
    """Negatives of a row, in the mean, by the language of the question and the most frequent ones of negatives."""
    counts: Counter[str] = Counter()
    for (_, language), number in summary.negatives_of.items():
        counts[language] += number
    shown = [language for language, _ in counts.most_common(SHOWN)]
    table = Table(
        title=f"{summary.mined:,} negatives mined, {summary.given:,} kept, of {summary.rows:,} rows",
        title_justify="left",
        caption="negatives of a row, by language" + (f" (the {SHOWN} most frequent)" if len(counts) > SHOWN else ""),
        caption_justify="left",
    )
    for column in ("questions", "rows", "all", *shown):
        table.add_column(column, justify="left" if column == "questions" else "right")
    for asked, rows in sorted(summary.rows_of.items()):
        of = {language: summary.negatives_of[asked, language] for language in counts}
        cells = [f"{number / rows:.1f}" for number in (sum(of.values()), *(of[language] for language in shown))]
        table.add_row(asked, f"{rows:,}", *cells)
    return table


def _refused(summary: "Summary") -> Table:
    from sweep.mining.summary import REFUSALS

    table = Table(title="Refused, of the passages that were looked at", title_justify="left")
    table.add_column("reason")
    table.add_column("times", justify="right")
    for reason, text in REFUSALS.items():
        if summary.refused[reason]:
            table.add_row(text, f"{summary.refused[reason]:,}")
    return table


def _scores(summary: "Summary") -> Table:
    from sweep.mining.summary import QUANTILES

    table = Table(title="Scores (cosine), quantiles", title_justify="left")
    table.add_column("of")
    for share in QUANTILES:
        table.add_column(f"{100 * share:.0f} %", justify="right")
    for name, values in summary.quantiles().items():
        table.add_row(name, *(f"{value:.3f}" for value in values))
    return table
