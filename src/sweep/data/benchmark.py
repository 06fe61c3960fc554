"""A benchmark: questions, candidate passages and which passages are relevant, in several languages."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError


class Question(NamedTuple):
    """A question; parallel questions share their translation group."""

    group: str
    language: str
    text: str


class Passage(NamedTuple):
    """A candidate. Ids are unique over all languages."""

    id: str
    language: str
    text: str


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Questions in a fixed order, passages in ascending order of their ids (the order that breaks ties).

    `relevant_q[i]` holds the indices, into `passages`, of all passages relevant to question i in any language.
    """

    name: str
    languages: tuple[str, ...]
    questions: tuple[Question, ...]
    passages: tuple[Passage, ...]
    relevant_q: tuple[NDArray[np.int64], ...]

    @property
    def question_language_q(self) -> NDArray[np.int64]:
        """Index of each question's language."""
        return np.array([self.languages.index(question.language) for question in self.questions])

    @property
    def passage_language_d(self) -> NDArray[np.int64]:
        """Index of each passage's language."""
        return np.array([self.languages.index(passage.language) for passage in self.passages])


def benchmark(
    name: str,
    languages: tuple[str, ...],
    questions: list[Question],
    passages: list[Passage],
    relevant: dict[str, set[str]],
) -> Benchmark:
    """Check and order the parts. `relevant` maps a translation group to ids of its relevant passages.

    Raises InputError for a language without questions or passages, a passage id given twice, a question without
    any relevant passage, and a relevant id that no passage has.
    """
    ordered = sorted(passages, key=lambda passage: passage.id)
    index = {passage.id: position for position, passage in enumerate(ordered)}
    if len(index) != len(ordered):
        ids = [passage.id for passage in ordered]
        twice = next(first for first, second in pairwise(ids) if first == second)
        raise InputError(f"{name}: passage id '{twice}' occurs twice")
    for code in languages:
        for what, items in (("question", questions), ("passage", passages)):
            if not any(item.language == code for item in items):
                raise InputError(f"{name}: language '{code}' has no {what}; leave it out of languages.evaluate")
    for group, relevant_ids in relevant.items():
        unknown = sorted(relevant_ids - index.keys())
        if unknown:
            raise InputError(f"{name}: question '{group}' names the unknown passage '{unknown[0]}' as relevant")
    relevant_q = []
    for question in questions:
        found = np.array(sorted(index[id_] for id_ in relevant.get(question.group, ())), np.int64)
        if not len(found):
            raise InputError(f"{name}: question '{question.group}' ({question.language}) has no relevant passage")
        relevant_q.append(found)
    return Benchmark(name, languages, tuple(questions), tuple(ordered), tuple(relevant_q))
