"""A look at training data: what they have of each language, and what in them is hardly as it was meant to be.

Rows are read once, a batch at a time; of each row some numbers are kept (`sweep.data.census`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sweep.data.census import Census, Counts, CountTokens, Items, Repeats, pairs, repeats
from sweep.data.detection import LanguageCheck, LanguageSample
from sweep.data.english import english_name
from sweep.data.overlap import Overlap, OverlapSearch
from sweep.data.remarks import Remark, remark_lines
from sweep.data.suspects import Suspect, Suspects
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.settings import Tiers

BATCH = 1000  # rows
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class Lengths(NamedTuple):
    """Quantiles of the lengths of texts, each the length of one of them: 5, 25, 50, 75 and 95 %, and the longest."""

    q05: int
    q25: int
    median: int
    q75: int
    q95: int
    longest: int


@dataclass(frozen=True)
class RoleReport:
    """Questions, or passages, of a language: how many of them in how many groups, each counted once in its group; how
    many distinct texts they are; how long. `cut`: the share of them that has more tokens than the model takes."""

    items: int
    groups: int
    most_in_a_group: int
    texts: int
    characters: Lengths | None
    tokens: Lengths | None
    cut: float | None


@dataclass(frozen=True)
class LanguageReport:
    """What there is of a language."""

    code: str
    name: str
    tier: str | None
    questions: RoleReport
    passages: RoleReport


class TokenCounter(NamedTuple):
    """How a model's tokens are counted, and how many it takes of a question and of a passage."""

    model: str
    of_texts: CountTokens
    limits: tuple[int, int]


@dataclass(frozen=True, eq=False)
class DataReport:
    """What is known of training data. `pairs_ll`: groups with a question in the first and a passage in the second
    language, in the order of `languages`. `languages_of_groups`: how many groups have questions in so many
    languages."""

    title: str
    files: int
    bytes: int
    rows: int
    equal_rows: int
    groups: int
    rows_with_negatives: int
    negatives: int
    model: str | None
    limits: tuple[int, int] | None
    languages: tuple[LanguageReport, ...]
    pairs_ll: NDArray[np.int64]
    languages_of_groups: dict[int, int]
    repeated_questions: Repeats
    repeated_passages: Repeats
    suspects: tuple[Suspect, ...]
    checks: tuple[LanguageCheck, ...]
    overlap: Overlap | None
    remarks: tuple[str, ...]


class _Observer(Protocol):
    def add(self, rows: Sequence[TrainingRow]) -> None: ...


def inspect(
    rows: TrainingRows,
    sample: LanguageSample,
    overlap: OverlapSearch | None,
    tokens: TokenCounter | None,
    tiers_of: Callable[[tuple[str, ...]], Tiers],
    watched: Callable[[Iterator[TrainingRow]], Iterable[TrainingRow]],
) -> DataReport:
    """Read all rows, through `watched`, and report on them. Raises InputError for what cannot be read."""
    census, suspects, remarks = Census(None if tokens is None else tokens.of_texts), Suspects(), list[Remark]()
    observers: list[_Observer] = [census, suspects, sample, *([overlap] if overlap is not None else [])]
    read = iter(watched(rows.read(remarks)))
    while batch := list(islice(read, BATCH)):
        for observer in observers:
            observer.add(batch)
    counts = census.counts()
    languages = _languages(counts, tiers_of(counts.languages), None if tokens is None else tokens.limits)
    return DataReport(
        title=rows.title,
        files=len(rows.files),
        bytes=sum(file.stat().st_size for file in rows.files if file.is_file()),
        rows=counts.rows,
        equal_rows=counts.equal_rows,
        groups=counts.groups,
        rows_with_negatives=counts.rows_with_negatives,
        negatives=counts.negatives,
        model=None if tokens is None else tokens.model,
        limits=None if tokens is None else tokens.limits,
        languages=languages,
        pairs_ll=pairs(counts),
        languages_of_groups=_languages_of_groups(counts),
        repeated_questions=repeats(counts.queries, counts.languages),
        repeated_passages=repeats(counts.passages, counts.languages),
        suspects=suspects.suspects(),
        checks=sample.check(),
        overlap=None if overlap is None else overlap.overlap(),
        remarks=remark_lines(rows.title, remarks),
    )


def _languages(counts: Counts, tiers: Tiers, limits: tuple[int, int] | None) -> tuple[LanguageReport, ...]:
    of_roles = [
        [
            _role(items, language, None if limits is None else limits[place])
            for language in range(len(counts.languages))
        ]
        for place, items in enumerate((counts.queries, counts.passages))
    ]
    return tuple(
        LanguageReport(code, english_name(code), tiers.of(code), questions, passages)
        for code, questions, passages in zip(counts.languages, *of_roles, strict=True)
    )


def _role(items: Items, language: int, limit: int | None) -> RoleReport:
    chosen = items.of(language)
    tokens = items.tokens_i[chosen]
    _, per_group = np.unique(items.group_i[chosen], return_counts=True)
    return RoleReport(
        len(chosen),
        len(per_group),
        int(per_group.max(initial=0)),
        len(np.unique(items.text_i[chosen])),
        _lengths(items.characters_i[chosen]),
        None if limit is None else _lengths(tokens),
        None if limit is None or not len(chosen) else float((tokens > limit).mean()),
    )


def _lengths(lengths: NDArray[np.int32]) -> Lengths | None:
    return Lengths(*map(int, np.quantile(lengths, QUANTILES, method="lower"))) if len(lengths) else None


def _languages_of_groups(counts: Counts) -> dict[int, int]:
    asked_gl = counts.queries.table(counts.groups, len(counts.languages)) > 0
    sizes, groups = np.unique(asked_gl.sum(axis=1), return_counts=True)
    return dict(zip(map(int, sizes), map(int, groups), strict=True))
