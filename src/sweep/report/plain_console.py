"""Where results are printed: what comes from data, settings or files is text, and does nothing to the terminal."""

import re
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.progress import Task, TextColumn
from rich.text import Text

from sweep.settings.secrets import redact

# Control characters but tab and line end, what turns the direction of writing, and halves of characters.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """A text as it may be shown: control characters written as in Python (`\\x1b`), and stars for passwords."""
    return _ACTING.sub(lambda match: match[0].encode("unicode_escape").decode(), redact(text))


def say(text: str, file: TextIO | None = None) -> None:
    """Print a text, on stdout if no other file is named. On a terminal lines end between words, but not the indented
    ones, which are commands to copy."""
    file = sys.stdout if file is None else file
    for line in shown(text).split("\n"):
        if file.isatty() and not line.startswith("  "):
            PlainConsole(file=file).print(line)
        else:
            print(line, file=file)


class PlainConsole(Console):
    """A console for which brackets are no markup, colons no emoji, and numbers no highlights."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string of a table or a line as text."""
        return super().render_str(shown(text), **options)


class PlainColumn(TextColumn):
    """A column of a progress bar, whose text may come from data."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """The task's text."""
        return Text(shown(self.text_format.format(task=task)))
