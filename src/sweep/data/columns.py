"""Which columns of a table have what.

A table has one question column and one passage column, or one for each language (a wide table), or one of the first
kind and the other of the second.
"""

import re
from typing import Any, NamedTuple

from sweep.errors import InputError
from sweep.settings import RowsColumns
from sweep.settings.rows import AUTO
from sweep.settings.wording import excerpt, listed, nearest, suggestion

# What a column is usually called, by what is in it.
USUAL = {
    "group": ("group",),
    "language": ("language", "lang"),
    "query_language": ("query_language",),
    "passage_language": ("passage_language",),
    "query": ("query", "question", "anchor"),
    "passage": ("passage", "positive", "positives"),
    "negatives": ("negatives",),
    "weight": ("weight",),
}
_NEGATIVE = re.compile(r"negative(_\d+)?")  # sentence-transformers' columns: one, or several with numbers
_REQUIRED = ("query", "passage")


class Columns(NamedTuple):
    """The columns of a table. `query` and `passage` have their name by language; "" is the language of the row."""

    group: str | None
    query_language: str | None
    passage_language: str | None
    query: dict[str, str]
    passage: dict[str, str]
    negatives: dict[str, tuple[str, ...]]
    weight: str | None

    @property
    def all(self) -> list[str]:
        """Every column that is read."""
        single = (self.group, self.query_language, self.passage_language, self.weight)
        texts = [*self.query.values(), *self.passage.values()]
        hard = [name for names in self.negatives.values() for name in names]
        return list(dict.fromkeys([*filter(None, single), *texts, *hard]))


def columns_of(names: tuple[str, ...], settings: RowsColumns, place: str) -> Columns:
    """Which of these columns have what. Raises InputError, at the place, for one that is named and not there, for two
    that could be meant, and if there is no question or no passage."""
    one = {field: _column(names, settings, field, place) for field in USUAL if field != "negatives"}
    query, passage = (_by_language(names, getattr(settings, field), one[field], field, place) for field in _REQUIRED)
    language = one["language"]
    if query == passage and len(query) == 1:
        raise InputError(f"{place}: question and passage are the same column, '{excerpt(*query.values())}'")
    return Columns(
        one["group"],
        one["query_language"] or language,
        one["passage_language"] or language,
        query,
        passage,
        _negatives(names, settings, passage, place),
        one["weight"],
    )


def _column(names: tuple[str, ...], settings: RowsColumns, field: str, place: str) -> str | None:
    """The one column of a field; None if there is none, or one for each language."""
    wanted = getattr(settings, field)
    if wanted is None or isinstance(wanted, dict):
        return None
    if wanted != AUTO:
        return _existing(names, wanted, field, place)
    usual = [name for name in USUAL[field] if name in names]
    if len(usual) > 1:
        raise InputError(f"{place}: {' and '.join(usual)} could both be the {field}; set data.columns.{field}=NAME")
    if not usual and field in _REQUIRED:
        meant = next(filter(None, (nearest(name, names) for name in USUAL[field])), "NAME")
        raise InputError(
            f"{place}: no column is called {' or '.join(USUAL[field])}; it has: {listed(map(excerpt, names))}; say "
            f"which is the {field}: data.columns.{field}={excerpt(meant)}"
        )
    return usual[0] if usual else None


def _existing(names: tuple[str, ...], wanted: str, field: str, place: str) -> str:
    if wanted not in names:
        hint = suggestion(wanted, names)
        raise InputError(
            f"{place}: has no column '{excerpt(wanted)}' (data.columns.{field}); it has: "
            f"{listed(map(excerpt, names))}{hint}"
        )
    return wanted


def _by_language(names: tuple[str, ...], wanted: Any, single: str | None, field: str, place: str) -> dict[str, str]:
    if isinstance(wanted, dict):
        return {code: _existing(names, name, field, place) for code, name in wanted.items()}
    return {"": single} if single is not None else {}


def _negatives(
    names: tuple[str, ...], settings: RowsColumns, passage: dict[str, str], place: str
) -> dict[str, tuple[str, ...]]:
    wanted = settings.negatives
    if isinstance(wanted, dict):
        return {code: (_existing(names, name, "negatives", place),) for code, name in wanted.items()}
    if wanted is None or "" not in passage:
        return {}
    if wanted != AUTO:
        listed_names = (wanted,) if isinstance(wanted, str) else wanted
        return {"": tuple(_existing(names, name, "negatives", place) for name in listed_names)}
    usual = tuple(name for name in names if name in USUAL["negatives"] or _NEGATIVE.fullmatch(name))
    return {"": usual} if usual else {}
