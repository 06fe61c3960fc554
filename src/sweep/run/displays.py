"""Which display a command has, and what it says besides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rich.console import Console

from sweep.errors import InputError
from sweep.run.json_lines import JsonLines
from sweep.run.live_table import LiveTable
from sweep.run.plain_lines import PlainLines
from sweep.run.progress import Display, Silent

Mode = Literal["auto", "live", "plain", "json", "none", "quiet"]
MODES = tuple(mode for mode in get_args(Mode) if mode != "quiet")  # that --progress may be


@dataclass(frozen=True)
class Shown:
    """How a command shows its study.

    `auto`: a live table on a terminal, else plain lines. `quiet`: nothing but the answer, and errors. With `json` all
    that programs read goes to `events`, and everything else to `console`, without the tables of the answer.
    """

    console: Console
    mode: Mode = "auto"
    events: Console | None = None

    def display(self, name: str) -> Display:
        """What shows the progress of the study of this name. Raises InputError for a live table where there is no
        terminal."""
        can_redraw = self.console.is_terminal and not self.console.is_dumb_terminal
        if self.mode == "live" and not can_redraw:
            raise InputError(
                "--progress=live: the output is no terminal that can redraw; --progress=plain prints lines"
            )
        if self.mode == "live" or (self.mode == "auto" and can_redraw):
            return LiveTable(self.console, name)
        if self.mode in ("auto", "plain"):
            return PlainLines(self.console)
        return Silent() if self.events is None else JsonLines(self.events)

    def begin(self) -> None:
        """Be silent from now on, if it is to be quiet."""
        self.console.quiet = self.mode == "quiet"

    def end(self) -> None:
        """Say everything again."""
        self.console.quiet = False

    @property
    def prints_answer(self) -> bool:
        """Whether the answer's tables are printed."""
        return self.events is None

    def event(self, name: str, about: Mapping[str, Any]) -> None:
        """Print an event for programs, if there are any."""
        if self.events is not None:
            JsonLines(self.events).say(name, about)
