"""How messages quote what was given, list what is allowed, and guess what was meant."""

import difflib
from collections.abc import Iterable
from typing import Any

from sweep.errors import shortened
from sweep.settings.secrets import redact


def excerpt(text: str) -> str:
    """What a message quotes: without passwords, on one line, and cut in the middle if it is long."""
    return shortened(redact(" ".join(text.split())))


def written(value: Any) -> str:
    """A value as one writes it in an override: null, true, {key: value}; texts in quotes, long ones cut."""
    return excerpt(_whole(value))


def _whole(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_whole(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_whole, value)) + "]"
    return repr(value)


def listed(names: Iterable[Any], most: int = 30) -> str:
    """Names with commas between them; of many the first, and how many there are."""
    known = [str(name) for name in names]
    if len(known) <= most:
        return ", ".join(known) or "none"
    return f"{', '.join(known[:most])}, … ({len(known)} in all)"


def nearest(word: str, allowed: Iterable[Any]) -> str | None:
    """The allowed word that was probably meant: one that looks alike, or the shortest that begins with it."""
    names = [str(name) for name in allowed]
    lower = {name.lower(): name for name in names}
    alike = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if alike:
        return lower[alike[0]]
    longer = [name for name in names if len(word) > 1 and name.lower().startswith(word.lower())]
    return min(longer, key=len, default=None)


def suggestion(word: str, allowed: Iterable[Any], before: str = "") -> str:
    """`; did you mean '...'?`, with something before the word that was meant, or nothing."""
    meant = nearest(word, allowed)
    return f"; did you mean '{before}{meant}'?" if meant is not None else ""
