"""`python -m sweep.report`: what studies say, as a page, as tables for a paper, or as data."""

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from sweep.answer.opened import opened
from sweep.commands.command_line import arguments, run
from sweep.errors import InputError, SweepError
from sweep.records.files import unwritable, write_atomically
from sweep.records.folder import StudyFolder
from sweep.records.last_command import read_command
from sweep.records.trial_record import refuse_damaged
from sweep.report.plain_console import say
from sweep.settings.cache import cache_folder
from sweep.settings.chosen_studies import WriteReportSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_write_report_settings
from sweep.settings.wording import excerpt, listed, suggestion
from sweep.study.storage import StudyMissing

if TYPE_CHECKING:
    from sweep.answer.contents import StudyReport

DESCRIPTION = (
    "Say what studies answer, as a page, as tables for a paper, or as data. A study that runs is not disturbed."
)
EXAMPLES = """formats (format=...):
  html      one page with charts and tables, for a browser (the default)
  markdown  the answer and a table, for a README or a wiki
  latex     a table to \\input in a paper; its caption explains its marks
  csv       every figure with its interval and its comparisons, a row each
  json      everything

examples:
  python -m sweep.report study.name=ratio_grid
  python -m sweep.report study.name=ratio_grid format=latex output=table.tex
  python -m sweep.report 'study.names=[mbert,xlmr]' format=csv output=all.csv"""
SEVERAL = "studies.html"  # in the sweeps folder: the page of several studies
WITH_TEXTS = ("html", "json")  # the formats that show questions, which are read from the benchmark


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 if a study could not be read, 2 for bad input."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = arguments("python -m sweep.report", fill(DESCRIPTION, 80), EXAMPLES)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="the server of studies whose database is on one: '${oc.env:SWEEP_STORAGE}'; no other is ever asked",
    )
    options = parser.parse_intermixed_args(given)

    def command() -> int:
        for name in options.overrides:
            if re.fullmatch(r"[\w-]+", name):
                raise InputError(f"to write the report of a study give its name as study.name={name}")
        composer = Composer("write_report", options.overrides, options.config_dir)
        if options.cfg:
            print(composer.yaml(), end="")
            return 0
        return _write(load_write_report_settings(composer), options.storage)

    return run(command, options.traceback)


def _write(settings: WriteReportSettings, storage: str | None) -> int:
    sweeps = Path(settings.paths.sweeps)
    names = _names(settings, sweeps)
    file = _output(settings, sweeps, names)
    reports = [_report(sweeps, name, storage, settings.format in WITH_TEXTS) for name in names]
    text = _text(settings.format, reports, cache_folder(settings.paths))
    if file is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as in a file, whatever the terminal's letters are
        print(text, end="")
        return 0
    try:
        write_atomically(file, text)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}; name another with output=") from error
    say(f"Report: {file}")
    return 0


def _names(settings: WriteReportSettings, sweeps: Path) -> list[str]:
    """The studies that are asked for. Raises InputError if there is none of that name."""
    if not sweeps.is_dir():
        raise InputError(f"no folder {sweeps}: name the folder of your studies with paths.sweeps=FOLDER")
    there = sorted(file.parent.name for file in sweeps.glob("*/config.yaml"))
    known = f"there are: {listed(there)}" if there else "there are none yet"
    name, names = settings.study.name, list(settings.study.names)
    if name is not None and names:
        raise InputError("give study.name=NAME for one study, or study.names=[a,b] for several, not both")
    names = names if name is None else [name]
    if not names:
        raise InputError(f"name a study with study.name=NAME, or several with study.names=[a,b]; in {sweeps} {known}")
    for place, each in enumerate(names):
        if each in names[:place]:
            raise InputError(f"study.names has '{excerpt(each)}' twice")
        if each not in there:
            raise InputError(f"no study '{excerpt(each)}' in {sweeps}{suggestion(each, there) or f'; {known}'}")
    return names


def _output(settings: WriteReportSettings, sweeps: Path, names: Sequence[str]) -> Path | None:
    """Where to write; None is stdout. Raises InputError if nothing can be written there: before any work."""
    if settings.output is None and settings.format != "html":
        return None
    if settings.output is not None:
        file = Path(settings.output)
        if file.is_dir() or not file.resolve().parent.is_dir():
            raise InputError(f"output={excerpt(settings.output)}: must be a file in a folder that exists")
        problem = None if os.access(file.resolve().parent, os.W_OK) else "no permission"
    else:
        file = StudyFolder(sweeps / names[0]).report if len(names) == 1 else sweeps / SEVERAL
        problem = None if os.access(file.parent, os.W_OK) else unwritable(file.parent) or "no permission"
    if problem is not None:
        raise InputError(f"{file} cannot be written: {problem}; name another with output=")
    return file


def _report(sweeps: Path, name: str, storage: str | None, texts: bool) -> "StudyReport":
    """Raises InputError or SweepError, with the study's name, if it cannot be read."""
    from sweep.answer.report import study_report  # seconds, after all that can be wrong with the command

    folder = StudyFolder((sweeps / name).resolve())
    try:
        with opened(folder, storage) as study:
            known = read_command(folder)
            command = known or f"python -m sweep … study.name={name} (its settings: {folder.config})"
            refuse_damaged(study.view.compared(), known or f"python -m sweep … study.name={name}")
            return study_report(folder, study.settings, study.view, state=study.state, command=command, texts=texts)
    except StudyMissing as error:
        raise SweepError(f"study '{name}' cannot be read: {error}") from error
    except InputError as error:
        raise InputError(f"study '{name}': {error}") from error
    except SweepError as error:
        raise SweepError(f"study '{name}': {error}") from error


def _text(form: str, reports: Sequence["StudyReport"], cache: Path) -> str:
    if form == "html":
        from sweep.page.html import report_page, studies_page

        return report_page(reports[0], cache) if len(reports) == 1 else studies_page(reports, cache)
    if form == "markdown":
        from sweep.report.markdown import paper_markdown

        return paper_markdown(reports)
    if form == "latex":
        from sweep.report.latex import paper_latex

        return paper_latex(reports)
    if form == "csv":
        from sweep.report.figures_csv import figures_csv

        return figures_csv(reports)
    from sweep.report.figures_json import figures_json

    return figures_json(reports)
