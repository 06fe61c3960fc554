"""What training data share with a benchmark, counted row by row: texts that are the same, and those nearly so.

What is compared, and how, is what `sweep.data.leakage` refuses and counts before a study.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sweep.data.benchmark import Benchmark
from sweep.data.leakage import (
    CHARACTERS_AT_A_TIME,
    NOUNS,
    TEXTS_AT_A_TIME,
    NearCopies,
    NearCopySearch,
    compared,
    normalised,
)
from sweep.data.training_row import TrainingRow


@dataclass(frozen=True)
class Copies:
    """Distinct texts of a benchmark that the training data have, but for case and whitespace: how many of how many,
    the first of them, and its place in the training data."""

    noun: str
    copies: int
    texts: int
    example: str
    place: str


@dataclass(frozen=True)
class Overlap:
    """`groups`: how many translation groups of the benchmark have the name of one of the training data. `near`: None
    if near copies were not looked for."""

    benchmark: str
    groups: int
    exact: tuple[Copies, ...]
    threshold: float | None
    near: tuple[NearCopies, ...] | None


class OverlapSearch:
    """Compares rows of training data with a benchmark. Only the benchmark's texts are kept."""

    def __init__(self, benchmark: Benchmark, threshold: float | None) -> None:
        self._benchmark, self._threshold = benchmark, threshold
        texts = compared(benchmark)
        self._asked = [dict.fromkeys(map(normalised, of_noun)) for of_noun in texts]
        self._places: list[dict[str, str]] = [{} for _ in NOUNS]
        self._groups = {question.group for question in benchmark.questions}
        self._shared_groups: set[str] = set()
        self._searches = [
            NearCopySearch(noun, of_noun, threshold)
            for noun, of_noun in zip(NOUNS, texts, strict=True)
            if threshold is not None
        ]

    def add(self, rows: Sequence[TrainingRow]) -> None:
        """Compare some rows."""
        self._shared_groups |= self._groups & set(map(_own_group, rows))
        questions = {row.question: row.place for row in rows}
        passages = {text: row.place for row in rows for text in (row.passage, *row.negatives)}
        for asked, places, trained in zip(self._asked, self._places, (questions, passages), strict=True):
            for text, place in trained.items():
                spelling = normalised(text)
                if spelling in asked:
                    places.setdefault(spelling, place)
        for search, trained in zip(self._searches, (questions, passages), strict=False):
            for part in _parts(map(normalised, trained)):
                search.compare(part)

    def overlap(self) -> Overlap:
        """What there was until now."""
        exact = tuple(
            Copies(noun, len(places), len(asked), *next(iter(places.items()), ("", "")))
            for noun, asked, places in zip(NOUNS, self._asked, self._places, strict=True)
        )
        near = tuple(search.copies() for search in self._searches) or None
        return Overlap(self._benchmark.name, len(self._shared_groups), exact, self._threshold, near)


def _own_group(row: TrainingRow) -> str:
    """The name that a row's group has in its own source, where a mix puts the source's before it."""
    return row.group.removeprefix(f"{row.source}/") if row.source else row.group


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts, as many at a time as are compared at once: a row may have any number of negatives."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if len(part) == TEXTS_AT_A_TIME or size >= CHARACTERS_AT_A_TIME:
            yield part
            part, size = [], 0
    if part:
        yield part
