"""What the commands share: arguments, help, and how an error reaches the user."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from rich.console import Console

from sweep import __version__
from sweep.errors import SweepError
from sweep.launch.interruption import SIGNALS


def arguments(program: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser of `[options] [group=choice | key=value ...]`."""
    parser = argparse.ArgumentParser(
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


def options_text(groups: dict[str, list[str]], hidden: Sequence[str] = ()) -> str:
    """The config groups and their choices, one line each."""
    rows = {group: names for group, names in groups.items() if group not in hidden}
    width = max(map(len, rows))
    return "\n".join(f"  {group:<{width}}  {', '.join(names)}" for group, names in rows.items())


def console() -> Console:
    """Where results are printed; wide enough for the tables when the output is a file or a pipe."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=140)


def run(command: Callable[[], int], show_traceback: bool) -> int:
    """The exit status of a command; an error meant for the user becomes one message on stderr."""
    try:
        return command()
    except SweepError as error:
        if show_traceback:
            traceback.print_exc()
        print(f"{'' if error.exit_status == 130 else 'error: '}{error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output is gone (`| head`); a second failing flush at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Run a command as a program. A Ctrl-C that comes after its end does not change its exit status any more."""
    status = main()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)
