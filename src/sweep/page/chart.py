"""A chart and the table behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DataTable:
    """Cells as text, numbers already formatted; a row's first cell heads it. `marks` are classes of cells by row and
    column, such as "best" or "worse"."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marks: Mapping[tuple[int, int], str]


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite specification without colours of a theme, which whoever draws it adds.

    Attributes:
        name: unique on a page, of letters, digits and dashes.
        title: a heading.
        description: what can be seen in it, in a sentence or two, for those who do not see it.
        spec: Vega-Lite, with its data inside.
        table: the same figures.
    """

    name: str
    title: str
    description: str
    spec: Mapping[str, Any]
    table: DataTable
