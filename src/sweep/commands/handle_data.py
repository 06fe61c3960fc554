"""`python -m sweep.data`: look at training data before a study, or write its rows to a file."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sweep.commands.command_line import arguments, config_dir_of, console, options_text, run
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError
from sweep.records.caching import usable_cache
from sweep.report.plain_console import PlainConsole, say
from sweep.settings import ExportSettings, InspectSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_export_settings, load_inspect_settings
from sweep.settings.tree import group_options
from sweep.settings.wording import excerpt, suggestion

if TYPE_CHECKING:
    from sweep.data.inspection import TokenCounter

COMMANDS = {
    "inspect": "Look at training data: languages and their pairs, lengths, texts that are there again or are hardly "
    "as they were meant to be, and what a benchmark shares with them.",
    "export": "Write the rows of training data to a file, which data=rows reads: a question, a passage and their "
    "languages in each.",
}
EXAMPLES = """examples:
  python -m sweep.data inspect data=squad data.path=FOLDER
  python -m sweep.data inspect data=squad data.path=FOLDER evaluation=xquad_r model=me5_small picture=data.svg
  python -m sweep.data inspect data=mlqa_r 'languages.train=[en,de]' format=json
  python -m sweep.data export data=mlqa_r output=mlqa.jsonl.gz"""
UPDATE_EVERY = 1000  # rows


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for bad input."""
    given = list(sys.argv[1:] if argv is None else argv)
    named = bool(given) and given[0] in COMMANDS
    command = given.pop(0) if named else "inspect"
    known = group_options(config_dir_of(given))
    shown = ("data", "languages", "evaluation", "model") if command == "inspect" else ("data", "languages")
    others = [f"python -m sweep.data export --help: {COMMANDS['export']}"] if not named else []
    about = [COMMANDS[command], *others]
    parser = arguments(
        f"python -m sweep.data {command}" if named else "python -m sweep.data [inspect | export]",
        "\n\n".join(fill(text, 80) for text in about),
        f"config groups (group=choice):\n{options_text({name: known[name] for name in shown})}\n\n{EXAMPLES}",
    )
    options = parser.parse_intermixed_args(given)

    def work() -> int:
        first = next(iter(options.overrides), "=")
        if not named and "=" not in first:
            fix = suggestion(first, list(COMMANDS)) or f"; there are {' and '.join(COMMANDS)}"
            raise InputError(f"unknown command '{excerpt(first)}'{fix}")
        composer = Composer(command, options.overrides, options.config_dir)
        if options.cfg:
            print(composer.yaml(), end="")
            return 0
        if command == "inspect":
            return _inspect(load_inspect_settings(composer))
        return _export(load_export_settings(composer))

    return run(work, options.traceback)


def _inspect(settings: InspectSettings) -> int:
    from sweep.data.detection import LanguageSample
    from sweep.data.inspection import inspect
    from sweep.data.languages import joshi_tiers
    from sweep.data.load import load_compared, open_rows
    from sweep.data.overlap import OverlapSearch
    from sweep.report.data_json import as_json
    from sweep.report.data_picture import check_picture, write_picture
    from sweep.report.data_tables import print_report

    picture = None if settings.picture is None else Path(settings.picture)
    if picture is not None:
        check_picture(picture)
    usable_cache(settings.paths)
    tokens = _tokens(settings)
    rows = open_rows(settings)
    benchmark = load_compared(settings)
    overlap = None if benchmark is None else OverlapSearch(benchmark, settings.near_copies)
    sample = LanguageSample(settings.detection)
    report = inspect(
        rows, sample, overlap, tokens, lambda codes: settings.languages.tiers or joshi_tiers(codes), _watched
    )
    if picture is not None:
        write_picture(report, picture)
    if settings.format == "json":
        print(json.dumps(as_json(report), indent=1))
    else:
        print_report(report, console())
    if picture is not None:
        say(f"Picture: {picture}", sys.stderr)
    return 0


def _tokens(settings: InspectSettings) -> "TokenCounter | None":
    if settings.model is None:
        return None
    from sweep.data.inspection import TokenCounter
    from sweep.model.token_counts import token_counter  # seconds

    limits = settings.model.max_query_tokens, settings.model.max_passage_tokens
    return TokenCounter(settings.model.title, token_counter(settings.model), limits)


def _export(settings: ExportSettings) -> int:
    from sweep.data.load import open_rows
    from sweep.data.remarks import Remark, remark_lines
    from sweep.data.row_writer import check_output, write_rows

    file, remarks = Path(settings.output), list[Remark]()
    check_output(file, ())
    usable_cache(settings.paths)
    rows = open_rows(settings)
    check_output(file, rows.files)
    count = write_rows(_watched(rows.read(remarks)), file)
    for line in remark_lines(rows.title, remarks):
        say(line)
    say(f"{count:,} rows: {file}")
    return 0


def _watched(rows: Iterator[TrainingRow]) -> Iterator[TrainingRow]:
    """The same rows; on a terminal stderr shows how many were read."""
    terminal = PlainConsole(stderr=True)
    if not terminal.is_terminal:
        yield from rows
        return
    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} rows read"), TimeElapsedColumn()
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        for number, row in enumerate(rows, start=1):
            yield row
            if number % UPDATE_EVERY == 0:
                bar.update(task, completed=number)
