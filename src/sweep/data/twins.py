"""Exact copies of passages in a benchmark: equal text, equal language, another id.

No retriever can tell a relevant passage from its copy. If the copy is not judged, a tie between the two goes to the
smaller id, and whether the question counts as answered depends on how ids were given.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.data.texts import distinct
from sweep.settings import Twins

Rows = NDArray[np.int64]


def with_twins(read: Benchmark, how: Twins) -> Benchmark:
    """The benchmark with its copies `judged` (unjudged ones of a relevant passage are relevant too, with its grade),
    `merge`d (the copy with the smallest id stands for all and has the best of their grades) or as they are (`keep`),
    and a note that counts them."""
    if how == "merge":
        return _merged(read)
    copies = _unjudged_copies(read)
    questions = sum(len(rows) > 0 for rows, _ in copies)
    if not questions:
        return read
    passages = len(np.unique(np.concatenate([rows for rows, _ in copies])))
    what = "they count as relevant" if how == "judged" else "they do not count as relevant"
    note = (
        f"{read.name}: unjudged exact copies of relevant passages: {passages:,}, for {questions:,} of "
        f"{len(read.questions):,} questions; {what} (evaluation.twins={how})."
    )
    read = replace(read, notes=(*read.notes, note))
    return _with_relevant(read, copies) if how == "judged" else read


def _unjudged_copies(read: Benchmark) -> list[tuple[Rows, Rows]]:
    """For each question the copies of its relevant passages that nobody judged, and the grades of what they copy."""
    every = np.unique(np.concatenate([np.empty(0, np.int64), *read.relevant_q]))
    if not len(every):
        return [(every, every)] * len(read.questions)
    texts = read.passages.texts_at(every)
    copies_of: dict[tuple[int, str], list[int]] = {}
    for row, text in read.passages.with_text(set(texts)):
        copies_of.setdefault((int(read.passages.language_d[row]), text), []).append(row)
    copies = {
        row: copies_of[int(read.passages.language_d[row]), text]
        for row, text in zip(every.tolist(), texts, strict=True)
    }
    nothing: Sequence[Rows] = [np.empty(0, np.int64)] * len(read.questions)
    parts = read.relevant_q, read.grade_q, read.ignored_q or nothing, read.rejected_q or nothing
    copies_q = []
    for relevant, grades, ignored, rejected in zip(*parts, strict=True):
        judged = {*relevant.tolist(), *ignored.tolist(), *rejected.tolist()}
        grade_of: dict[int, int] = {}
        for row, grade in zip(relevant.tolist(), grades.tolist(), strict=True):
            for copy in copies[row]:
                if copy not in judged:
                    grade_of[copy] = max(grade, grade_of.get(copy, 0))
        copies_q.append((np.array(list(grade_of), np.int64), np.array(list(grade_of.values()), np.int64)))
    return copies_q


def _with_relevant(read: Benchmark, more: Sequence[tuple[Rows, Rows]]) -> Benchmark:
    relevant_q, grade_q = [], []
    for relevant, grades, (rows, their_grades) in zip(read.relevant_q, read.grade_q, more, strict=True):
        relevant, grades = np.r_[relevant, rows], np.r_[grades, their_grades]
        order = np.argsort(relevant)
        relevant_q.append(relevant[order])
        grade_q.append(grades[order])
    return replace(read, relevant_q=tuple(relevant_q), grade_q=tuple(grade_q))


def _merged(read: Benchmark) -> Benchmark:
    """Only the first of equal passages in a language is a candidate, in place of the others."""
    text_d = distinct(read.passages.texts())[1]
    _, first, same_d = np.unique(
        text_d * len(read.languages) + read.passages.language_d, return_index=True, return_inverse=True
    )
    first_d = first[same_d]
    merged = np.flatnonzero(first_d != np.arange(len(first_d)))
    if not len(merged):
        return read
    relevant_q, grade_q = [], []
    for relevant, grades in zip(read.relevant_q, read.grade_q, strict=True):
        rows, place = np.unique(first_d[relevant], return_inverse=True)
        best = np.zeros(len(rows), np.int64)
        np.maximum.at(best, place, grades)
        relevant_q.append(rows)
        grade_q.append(best)

    def without_relevant(rows_q: Sequence[Rows]) -> tuple[Rows, ...]:
        return tuple(
            np.setdiff1d(first_d[rows], relevant) for rows, relevant in zip(rows_q, relevant_q, strict=bool(rows_q))
        )

    note = (
        f"{read.name}: exact copies of other passages, which are no candidates: {len(merged):,} "
        "(evaluation.twins=merge)."
    )
    return replace(
        read,
        relevant_q=tuple(relevant_q),
        grade_q=tuple(grade_q),
        ignored_q=without_relevant(read.ignored_q),
        rejected_q=without_relevant(read.rejected_q),
        merged=merged,
        notes=(*read.notes, note),
    )
