"""Templates of pages: all that is put into one is escaped, and shown as the text that it is."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sweep.answer.contents import MovedQuestion
from sweep.page.chart import DataTable
from sweep.page.theme import DARK, FONT, LIGHT, Colours
from sweep.report.plain_console import shown

_NUMBER = re.compile(r"[<≤≥]? ?[+−-]?\d[\d.,]*( ?(%|s|min|h))?([ ±].*)?|–|")
_APART = re.compile(r"(?<=\b[αp]) (?=[=<])|(?<=\b[αp] [=<]) (?=[\d−-])|(?<=\d) (?=%)")  # spaces where no line ends
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
MOST_MOVED = 3  # questions of each direction; the others are unfolded
STATES = {"failed trials": "ended with failed trials"}


def render(template: str, **values: Any) -> str:
    """A page. Strings are escaped unless they are Markup."""
    return _environment().get_template(template).render(**values)


def style() -> Markup:
    """The style of pages, with the colours that charts have."""
    colours = {"light": Markup(_variables(LIGHT)), "dark": Markup(_variables(DARK))}
    return Markup(render("page.css", font=Markup(FONT), **colours))


def script(name: str) -> Markup:
    """One of our scripts."""
    environment = _environment()
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def json_for_script(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element, or begin another. What is no number
    is null; control characters in texts are written out, as elsewhere on the page."""
    text = json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"))


@cache
def _environment() -> Environment:
    from sweep.data.english import english_name

    environment = Environment(
        loader=PackageLoader("sweep.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": _breakable,
        "first_moved": _first_moved,
        "language": english_name,
        "moment": _moment,
        "moment_text": _moment_text,
        "numeric_columns": _numeric_columns,
        "prose": _prose,
        "rank": _rank,
        "state_text": lambda state: STATES.get(state, state),
        "tag": lambda language: language.replace("_", "-"),
    }
    return environment


def _finalized(value: Any) -> Any:
    """What an expression of a template puts out: strings as they may be shown, with figures in one piece."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _APART.sub("\u00a0", shown(value))


def _plain(value: Any) -> Any:
    """A value as JSON can have it."""
    if isinstance(value, Mapping):
        return {shown(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return shown(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _variables(colours: Colours) -> str:
    better, worse, _ = colours.verdict
    named = {
        "paper": colours.paper,
        "ink": colours.ink,
        "muted": colours.muted,
        "line": colours.grid,
        "accent": colours.accent,
        "better": better,
        "worse": f"color-mix(in srgb, {worse} 85%, {colours.ink})",  # as a text: enough contrast (WCAG AA)
    }
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _moment_text(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _numeric_columns(table: DataTable) -> frozenset[int]:
    """The columns of numbers, which are aligned on the right: all but the first whose cells are."""
    columns = zip(*table.rows, strict=True)
    return frozenset(
        place for place, cells in enumerate(columns) if place and all(_NUMBER.fullmatch(cell) for cell in cells)
    )


def _breakable(text: str) -> Markup:
    """A text that a line may end in behind a dot or a slash: keys and paths are long words."""
    return Markup(re.sub(r"([./=,])(?=[^\W\d])", r"\1<wbr>", str(escape(_finalized(text)))))


def _prose(text: str) -> Markup:
    """A text of the data in its own language, which may have marks of direction: its element keeps them inside."""
    return escape(_CONTROL.sub("\ufffd", text))


def _first_moved(moved: Sequence[MovedQuestion]) -> tuple[list[MovedQuestion], list[MovedQuestion]]:
    """Those to begin with, of each direction as many, and the others."""
    nearer = [one for one in moved if one.after < one.before]
    further = [one for one in moved if one.after >= one.before]
    first = [*nearer[:MOST_MOVED], *further[:MOST_MOVED]]
    return first, [*nearer[MOST_MOVED:], *further[MOST_MOVED:]]


def _rank(rank: float) -> str:
    return f"{rank:,.0f}" if rank >= 100 or rank == round(rank) else f"{rank:.1f}"
