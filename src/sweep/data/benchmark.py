"""A benchmark: questions, candidate passages and which passages are relevant, in several languages."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.passages import Passage, Passages, passages_in_memory
from sweep.errors import InputError
from sweep.settings import Protocol

__all__ = ["Benchmark", "Passage", "Question", "benchmark"]


class Question(NamedTuple):
    """A question; parallel questions share their translation group."""

    group: str
    language: str
    text: str


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Questions in a fixed order, passages in ascending order of their ids, the order that breaks ties.

    `relevant_q[i]` holds the indices, into `passages`, of all passages relevant to question i: in any language for
    the protocol "parallel", in the question's own for "monolingual". `grade_q[i]` are their grades (1 unless the data
    is graded). A question may have none; it is left out of the means and counted. `notes` are what a reader should
    know of the files it comes from, a line each.

    No candidates, though they are among `passages`, are the rows `merged` for any question, and `ignored_q[i]` for
    question i. The rows `rejected_q[i]` were judged and are not relevant. Either tuple is empty if there are none.
    """

    name: str
    languages: tuple[str, ...]
    protocol: Protocol
    questions: tuple[Question, ...]
    passages: Passages
    relevant_q: tuple[NDArray[np.int64], ...]
    grade_q: tuple[NDArray[np.int64], ...]
    notes: tuple[str, ...] = ()
    ignored_q: tuple[NDArray[np.int64], ...] = ()
    rejected_q: tuple[NDArray[np.int64], ...] = ()
    merged: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def question_language_q(self) -> NDArray[np.int64]:
        """Index of each question's language."""
        index = {code: place for place, code in enumerate(self.languages)}
        return np.array([index[question.language] for question in self.questions])

    @property
    def is_parallel(self) -> bool:
        """Whether any question has relevant passages in two languages."""
        return any(len(np.unique(self.passages.language_d[rows])) > 1 for rows in self.relevant_q)

    @property
    def passage_languages(self) -> tuple[str, ...]:
        """The languages that have passages; questions may be in others, too."""
        present = {self.languages[place] for place in np.unique(self.passages.language_d)}
        return tuple(code for code in self.languages if code in present)

    @property
    def candidate_d(self) -> NDArray[np.bool_]:
        """Whether a passage is a candidate, of some question at least."""
        candidate_d = np.ones(len(self.passages), bool)
        candidate_d[self.merged] = False
        return candidate_d


def benchmark(
    name: str,
    languages: tuple[str, ...],
    questions: list[Question],
    passages: Iterable[Passage] | Passages,
    relevant: Mapping[str, Mapping[str, int]],
    protocol: Protocol = "parallel",
    unanswered: bool = False,
    one_sided: bool = False,
) -> Benchmark:
    """Check and order the parts. `relevant`: translation group -> id of a relevant passage -> its grade.

    Raises InputError for a language without questions or passages (`one_sided`: with neither), a passage id given
    twice, two questions of one translation group in one language, a question without any relevant passage (unless
    `unanswered` allows it), and a relevant id that no passage has.
    """
    try:
        table = passages if isinstance(passages, Passages) else passages_in_memory(passages, languages)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    asked = {question.language for question in questions}
    answered = {languages[index] for index in np.unique(table.language_d)}
    sides = [("question or passage", asked | answered)] if one_sided else [("question", asked), ("passage", answered)]
    for code in languages:
        for what, present in sides:
            if code not in present:
                raise InputError(f"{name}: language '{code}' has no {what}; leave it out of languages.evaluate")
    seen: set[tuple[str, str]] = set()
    for question in questions:
        if question[:2] in seen:
            raise InputError(f"{name}: question '{question.group}' occurs twice in {question.language}")
        seen.add(question[:2])
    row_of = table.rows_of({id_ for judged in relevant.values() for id_ in judged})
    for group, judged in relevant.items():
        unknown = sorted(judged.keys() - row_of.keys())
        if unknown:
            raise InputError(f"{name}: question '{group}' names the unknown passage '{unknown[0]}' as relevant")
    relevant_q, grade_q = [], []
    for question in questions:
        judged = relevant.get(question.group, {})
        if not judged and not unanswered:
            raise InputError(f"{name}: question '{question.group}' ({question.language}) has no relevant passage")
        ordered = sorted((row_of[id_], grade) for id_, grade in judged.items())
        relevant_q.append(np.array([row for row, _ in ordered], np.int64))
        grade_q.append(np.array([grade for _, grade in ordered], np.int64))
    return Benchmark(name, languages, protocol, tuple(questions), table, tuple(relevant_q), tuple(grade_q))


def rows_by_question(read: Benchmark, ids_of: Mapping[str, Collection[str]]) -> tuple[NDArray[np.int64], ...]:
    """For each question the rows of the passages that its translation group has ids of, less those that are relevant
    to it; an empty tuple if there are none at all. An id that no passage has is passed over."""
    row_of = read.passages.rows_of({id_ for ids in ids_of.values() for id_ in ids})
    rows_q = [
        np.setdiff1d([row_of[id_] for id_ in ids_of.get(question.group, ()) if id_ in row_of], relevant)
        for question, relevant in zip(read.questions, read.relevant_q, strict=True)
    ]
    return tuple(rows.astype(np.int64) for rows in rows_q) if any(map(len, rows_q)) else ()
