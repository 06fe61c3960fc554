"""What the commands share: arguments, help, and how an error reaches the user."""

import argparse
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from rich.console import Console

from sweep import __version__
from sweep.errors import SweepError, shortened
from sweep.launch.interruption import SIGNALS
from sweep.records.surroundings import fault_of_surroundings
from sweep.report.plain_console import PlainConsole, say
from sweep.settings.secrets import redact
from sweep.settings.wording import excerpt, suggestion

WIDTH = 110  # characters of a file or a pipe
NARROWEST = 20
LONGEST_MESSAGE = 2000  # characters; what is longer quotes what was given
_OPTIONS = (
    "--cfg",
    "--config-dir",
    "--traceback",
    "--version",
    "--help",
    "--list-metrics",
    "--markdown",
    "--progress",
    "--quiet",
    "--storage",
)


class Arguments(argparse.ArgumentParser):
    """A parser whose errors say what to write instead."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse. Raises SystemExit(2)."""
        first = message.removeprefix("unrecognized arguments: ").split(" ")[0]
        fix = suggestion(first.partition("=")[0], _OPTIONS) if first.startswith("-") else ""
        if not fix and first.startswith("-") and "=" in first:
            fix = f"; settings have no dashes before them: write {shlex.quote(excerpt(first.lstrip('-')))}"
        self.exit(2, f"error: {excerpt(message)}{fix or f'; {self.prog} --help tells what there is'}\n")


def arguments(program: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser of `[options] [group=choice | key=value ...]`."""
    parser = Arguments(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="group=choice | key=value | +experiment=NAME")
    parser.add_argument("--cfg", choices=["job"], help="print the composed configuration and stop")
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with config groups and experiments of your own")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=f"sweep {__version__}")
    return parser


def config_dir_of(given: Sequence[str]) -> str | None:
    """The value of --config-dir, which the help itself depends on; None if there is none."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--config-dir")
    try:
        options, _ = early.parse_known_args(given)
    except argparse.ArgumentError:  # which the whole parser tells
        return None
    return str(options.config_dir) if options.config_dir is not None else None


def options_text(groups: dict[str, list[str]], hidden: Sequence[str] = ()) -> str:
    """The config groups and their choices, one line each."""
    rows = {group: names for group, names in groups.items() if group not in hidden}
    width = max(map(len, rows))
    return "\n".join(f"  {group:<{width}}  {', '.join(names)}" for group, names in rows.items())


class Output(PlainConsole):
    """Where results are printed. When its reader is gone (`| head`), a command that only shows something ends with
    the status that a shell gives it; one that works goes on."""

    def __init__(self, works: bool, width: int | None = None, stderr: bool = False) -> None:
        super().__init__(width=width, stderr=stderr)
        self._works = works

    def on_broken_pipe(self) -> None:
        """Called by rich. Raises BrokenPipeError if there is nothing to do but to print."""
        self.quiet = True
        _discard_output()
        if not self._works:
            raise BrokenPipeError
        say("nobody reads this output any more; the command goes on without it", sys.stderr)


def console(works: bool = False) -> Console:
    """As wide as its terminal; a file or a pipe is as wide as COLUMNS says, or else 110 characters."""
    terminal = Output(works)
    return terminal if terminal.is_terminal else Output(works, width=_columns() or WIDTH)


def _columns() -> int | None:
    """What the variable COLUMNS says; None if it says nothing that a table could be drawn in."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) >= NARROWEST else None


def _discard_output() -> None:
    """Else another flush, at the end of the process, prints a traceback."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def run(command: Callable[[], int], show_traceback: bool) -> int:
    """The exit status of a command; an error meant for the user becomes one message on stderr."""
    try:
        status = command()
        sys.stdout.flush()
        return status
    except SweepError as error:
        if show_traceback:
            say(traceback.format_exc().rstrip(), sys.stderr)
        say(f"{'' if error.exit_status == 130 else 'error: '}{_message(str(error))}", sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _discard_output()
        return 141
    except Exception as error:
        fault = fault_of_surroundings(error)
        if fault is None or show_traceback:
            raise
        say(f"error: {_message(str(fault))}", sys.stderr)
        return SweepError.exit_status


def _message(text: str) -> str:
    return shortened(redact(text), LONGEST_MESSAGE)


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Run a command as a program. A Ctrl-C that comes after its end does not change its exit status any more."""
    status = main()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)
