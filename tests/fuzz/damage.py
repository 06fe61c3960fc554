"""Damage as it happens to files: cut, flipped, overwritten, converted; and as people do it to what is in them."""

import copy
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sweep.errors import InputError

FACTOR = int(os.environ.get("SWEEP_FUZZ", "1"))  # how many times as many inputs as CI tries
LONGEST_MESSAGE = 1200
CONVERSIONS = ("utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252")
# What stands in real files where a string or a number is expected.
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 10**30, 1e300, "", " ", "0", "x", "\x00", "\ud7ff", "é",
    "e\u0301", "\u202e",
    "[/x]", "${oc.env:HOME}", "a\nb", "=1+1", [], {}, [[]], [None], {"x": 1}, "y" * 5000,
]  # fmt: skip


def tries(number: int) -> settings:
    """So many examples, the same ones in every run; more, and others, in a longer run."""
    return settings(
        max_examples=number * FACTOR,
        derandomize=FACTOR == 1,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes of a file after something happened to them."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["cut", "flip", "erase", "double", "insert", "convert", "zero", "bom"])):
            case "cut":
                del data[place:]
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "erase":
                del data[place : place + draw(st.integers(1, 20))]
            case "double":
                piece = data[place : place + draw(st.integers(1, 40))]
                data[place:place] = piece
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "convert":
                text = bytes(data).decode("utf-8", errors="ignore")
                data = bytearray(text.encode(draw(st.sampled_from(CONVERSIONS)), errors="replace"))
            case "zero":
                data[place : place + 16] = bytes(min(16, len(data) - place))
            case "bom":
                data[:0] = b"\xef\xbb\xbf"
    return bytes(data)


def _places(tree: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a tree of lists and dictionaries."""
    if here:
        yield here
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _places(value, (*here, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _places(value, (*here, index))


@st.composite
def edited(draw: st.DrawFn, tree: Any) -> Any:
    """The content of a file after somebody edited it: something left out, doubled, renamed, or of another type."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(tree))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder = tree
        for step in way:
            holder = holder[step]
        match draw(st.sampled_from(["drop", "replace", "double", "shift", "rename"])):
            case "drop":
                del holder[last]
            case "double" if isinstance(holder, list):
                holder.insert(last, copy.deepcopy(holder[last]))
            case "shift" if isinstance(holder[last], int):
                holder[last] += draw(st.integers(-30, 30))
            case "rename" if isinstance(holder, dict):
                holder[f"{last}x"] = holder.pop(last)
            case _:
                holder[last] = copy.deepcopy(draw(st.sampled_from(VALUES)))  # which the next edit may change
    return tree


def refused(error: Exception) -> None:
    """Check that a refusal is bad input, in one line that a person can read."""
    message = str(error)
    assert isinstance(error, InputError), repr(error)
    assert 0 < len(message) <= LONGEST_MESSAGE, message
    assert "\n" not in message, message
