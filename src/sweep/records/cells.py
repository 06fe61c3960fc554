"""Cells of CSV files that somebody opens in a spreadsheet, which takes some texts for formulas and runs them."""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def as_cell(value: Any) -> Any:
    """A value as a cell. A text that would be a formula gets an apostrophe before it; numbers stay as they are."""
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def as_texts(cells: pa.Array) -> pa.Array:
    """The texts that these cells stand for."""
    return pc.replace_substring_regex(cells, r"^'('*[=+\-@\t\r])", r"\1")
