"""Which passages answer which query, and which are its hard negatives: from qrels and triples of ids, as arrays.

Files of 40 million triples are read in blocks: what stays in memory is a line for each query and relevant passage and
for each hard negative that is kept. Shapes: p = pairs of a query and a passage.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.id_numbers import IdNumbers
from sweep.data.lines import Judgement, Line, judgement, lines, numbered_lines
from sweep.errors import InputError, shortened

LINES_PER_BLOCK = 100_000
ROWS_PER_MERGE = 2_000_000  # 64 MB of numbers
OF_TRIPLES = 1 << 60  # added to the number of a line, so that pairs of the qrels come first

Numbers = NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs of a query and a passage (p), and where each stands: the number of its line, and OF_TRIPLES more if
    that is a line of the triples."""

    query_p: Numbers
    passage_p: Numbers
    where_p: Numbers

    def at(self, chosen: NDArray[np.bool_] | Numbers) -> "Pairs":
        """Some of them."""
        return Pairs(self.query_p[chosen], self.passage_p[chosen], self.where_p[chosen])

    def of(self, query: int) -> slice:
        """Where the pairs of a query are, among pairs in the order of their queries."""
        return slice(*np.searchsorted(self.query_p, (query, query + 1)).tolist())


NO_PAIRS = Pairs(*(np.zeros(0, np.int64) for _ in range(3)))


class Relevance(NamedTuple):
    """Relevant passages and hard negatives of the queries that are kept (q, ascending), both in the order of the
    queries and, of each, in that of the files. `conflicts`: hard negatives that are relevant to their query, too,
    and have been left out."""

    query_q: Numbers
    relevant: Pairs
    negatives: Pairs
    conflicts: int


class RelevanceFiles(NamedTuple):
    """Where it is read from."""

    qrels: Path | None
    triples: Path | None

    def place(self, where: int) -> str:
        """The file and line of a pair."""
        return f"{self.triples if where >= OF_TRIPLES else self.qrels}:{where % OF_TRIPLES}"


def relevance(
    files: RelevanceFiles, queries: IdNumbers, passages: IdNumbers, max_negatives: int, max_questions: int | None
) -> Relevance:
    """The relevant passages of both files, and the first `max_negatives` negatives of each query. With
    `max_questions` as many queries, the same ones in whatever order they come. Raises InputError naming file and
    line."""
    relevant, negatives = _Merged(), _Merged(max_negatives)
    judged = NO_PAIRS
    if files.qrels is not None:
        answered, judged = _qrels(files.qrels, queries, passages)
        relevant.add(answered)
        negatives.add(judged)
    if files.triples is not None:
        for positive, negative in _triples(files.triples, queries, passages):
            relevant.add(positive)
            negatives.add(negative)
    answered, rejected = relevant.all(), negatives.all()
    query_q = _kept(np.unique(answered.query_p), queries, max_questions)
    answered = answered.at(np.isin(answered.query_p, query_q))
    rejected = rejected.at(np.isin(rejected.query_p, query_q))
    conflicts = 0
    if files.triples is not None and _is_among(rejected, answered).any():
        every = chain([judged], (negative for _, negative in _triples(files.triples, queries, passages)))
        rejected, conflicts = _apart(every, query_q, answered, max_negatives)
    return Relevance(query_q, answered, rejected, conflicts)


def _apart(every: Iterable[Pairs], query_q: Numbers, answered: Pairs, max_negatives: int) -> tuple[Pairs, int]:
    """The first negatives of some queries that are not relevant to them, and how many are. What is relevant is known
    only when the triples have been read: where it matters they are read again."""
    negatives, conflicts = _Merged(max_negatives), _Merged()
    for pairs in every:
        pairs = pairs.at(np.isin(pairs.query_p, query_q))
        conflict_p = _is_among(pairs, answered)
        negatives.add(pairs.at(~conflict_p))
        conflicts.add(pairs.at(conflict_p))
    return negatives.all(), len(conflicts.all().query_p)


def _kept(query_q: Numbers, queries: IdNumbers, limit: int | None) -> Numbers:
    if limit is None or limit >= len(query_q):
        return query_q
    hashed = [hashlib.sha256(queries.id(number).encode()).digest() for number in query_q.tolist()]
    chosen = sorted(range(len(hashed)), key=hashed.__getitem__)[:limit]
    return query_q[np.sort(np.array(chosen, np.int64))]


class _Merged:
    """Distinct pairs, of which each query keeps the first `limit` ones; merged a few million at a time."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._done: list[Pairs] = []  # of queries that are complete
        self._open = NO_PAIRS  # of those that may get more
        self._full = np.zeros(0, np.int64)
        self._waiting: list[Pairs] = []
        self._rows = 0

    def add(self, pairs: Pairs) -> None:
        if self._limit == 0:
            return
        self._waiting.append(pairs)
        self._rows += len(pairs.query_p)
        if self._rows >= ROWS_PER_MERGE:
            self._merge()

    def all(self) -> Pairs:
        """All pairs, by query, and those of a query in the order they came in."""
        self._merge()
        pairs = _joined([*self._done, self._open])
        return pairs.at(np.lexsort((pairs.where_p, pairs.query_p)))

    def _merge(self) -> None:
        new = _joined(self._waiting)
        self._waiting, self._rows = [], 0
        pairs = _first_of_each(_joined([self._open, new.at(~np.isin(new.query_p, self._full))]))
        if self._limit is None or not len(pairs.query_p):
            self._open = pairs
            return
        pairs = pairs.at(np.lexsort((pairs.where_p, pairs.query_p)))
        _, start_q, count_q = np.unique(pairs.query_p, return_index=True, return_counts=True)
        pairs = pairs.at(np.arange(len(pairs.query_p)) - np.repeat(start_q, count_q) < self._limit)
        full_p = np.repeat(count_q >= self._limit, np.minimum(count_q, self._limit))
        self._done.append(pairs.at(full_p))
        self._open = pairs.at(~full_p)
        self._full = np.union1d(self._full, pairs.query_p[full_p])


def _joined(parts: list[Pairs]) -> Pairs:
    return Pairs(*map(np.concatenate, zip(NO_PAIRS, *parts, strict=True)))


def _first_of_each(pairs: Pairs) -> Pairs:
    """Each pair once, where it stands first."""
    pairs = pairs.at(np.lexsort((pairs.where_p, pairs.passage_p, pairs.query_p)))
    new_p = np.ones(len(pairs.query_p), bool)
    new_p[1:] = (np.diff(pairs.query_p) != 0) | (np.diff(pairs.passage_p) != 0)
    return pairs.at(new_p)


def _is_among(pairs: Pairs, others: Pairs) -> NDArray[np.bool_]:
    """Which of the pairs are among the others (p)."""
    _, query_n = np.unique(np.concatenate([pairs.query_p, others.query_p]), return_inverse=True)
    passages, passage_n = np.unique(np.concatenate([pairs.passage_p, others.passage_p]), return_inverse=True)
    key_n = query_n * len(passages) + passage_n
    return np.isin(key_n[: len(pairs.query_p)], key_n[len(pairs.query_p) :])


def _triples(file: Path, queries: IdNumbers, passages: IdNumbers) -> Iterator[tuple[Pairs, Pairs]]:
    """The relevant pairs and the negative ones of a block of lines."""
    block: list[list[str]] = []
    number_n: list[int] = []
    for number, text in numbered_lines(file):
        fields = text.split()
        if len(fields) != 3:
            raise InputError(
                f"{file}:{number}: must have 3 fields (ids of query, relevant passage, other passage), not "
                f"{len(fields)}: '{shortened(text.strip())}'; triples of texts are data.text_triples"
            )
        block.append(fields)
        number_n.append(number)
        if len(block) == LINES_PER_BLOCK:
            yield _triple_block(block, number_n, queries, passages)
            block, number_n = [], []
    yield _triple_block(block, number_n, queries, passages)


def _triple_block(
    block: list[list[str]], number_n: list[int], queries: IdNumbers, passages: IdNumbers
) -> tuple[Pairs, Pairs]:
    where_n = np.array(number_n, np.int64) + OF_TRIPLES
    query_n = queries.of([fields[0] for fields in block])
    relevant_n, negative_n = (passages.of([fields[column] for fields in block]) for column in (1, 2))
    return Pairs(query_n, relevant_n, where_n), Pairs(query_n, negative_n, where_n)


def _qrels(file: Path, queries: IdNumbers, passages: IdNumbers) -> tuple[Pairs, Pairs]:
    """The relevant pairs and the others. Raises InputError for a pair that is among both."""
    relevant, others = _Merged(), _Merged()
    source = lines(file)
    while block := list(islice(source, LINES_PER_BLOCK)):
        judged = [_judgement(line) for line in block]
        number_n = [int(line.place.rpartition(":")[2]) for line in block]
        pairs = Pairs(
            queries.of([one.query for one in judged]),
            passages.of([one.passage for one in judged]),
            np.array(number_n, np.int64),
        )
        relevant_p = np.array([one.grade > 0 for one in judged])
        relevant.add(pairs.at(relevant_p))
        others.add(pairs.at(~relevant_p))
    answered, rejected = relevant.all(), others.all()
    for row in np.flatnonzero(_is_among(rejected, answered)).tolist():
        query, passage = queries.id(int(rejected.query_p[row])), passages.id(int(rejected.passage_p[row]))
        raise InputError(
            f"{file}:{rejected.where_p[row]}: passage '{passage}' is not relevant to query '{query}', and in "
            "another line it is; leave one of them"
        )
    return answered, rejected


def _judgement(line: Line) -> Judgement:
    fields = line.text.split()
    if len(fields) != 4:
        raise InputError(f"{line.place}: must have 4 fields (query, 0, passage, grade), not {len(fields)}")
    return judgement(line, fields[0], fields[2], fields[3])
