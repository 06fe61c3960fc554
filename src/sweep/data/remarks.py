"""What is no error in a file and should be known all the same: counted by language, and said in a line each."""

from collections.abc import Sequence
from typing import NamedTuple

_SHOWN = 8  # languages in a line


class Remark(NamedTuple):
    """What is so in a language's file, how much of it, and the name of the first such thing, if one is named. Without
    a language it is so of all files."""

    text: str
    language: str = ""
    amount: str = ""
    first: str = ""


def remark(text: str, language: str, names: Sequence[str], total: int) -> list[Remark]:
    """A remark on the things of these names, out of so many; none if there are none."""
    return [Remark(text, language, f"{len(names):,} of {total:,}", names[0])] if names else []


def remark_lines(title: str, remarks: Sequence[Remark]) -> tuple[str, ...]:
    """A line for each text, with the counts by language: "title: text: de 3 of 702, en 1 of 690; the first: q7"."""
    lines = []
    for text in dict.fromkeys(remark.text for remark in remarks):
        alike = [remark for remark in remarks if remark.text == text]
        if not alike[0].language:
            lines.append(f"{title}: {text}")
            continue
        counts = [f"{one.language} {one.amount}" for one in alike[:_SHOWN]]
        if len(alike) > _SHOWN:
            counts.append(f"and {len(alike) - _SHOWN} languages more")
        first = f"; the first: {alike[0].first}" if alike[0].first else ""
        lines.append(f"{title}: {text}: {', '.join(counts)}{first}")
    return tuple(lines)
