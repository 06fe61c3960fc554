"""What an evaluation's search found for every question: all that rank metrics need, without texts or embeddings.

Shapes: q = questions, r = relevant passages of a question (padded), k = best units, l = languages.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.settings import Protocol

PAD = 0  # no relevant passage in this place; real ranks start at 1
FAR = np.iinfo(np.int32).max  # a relevant passage that a search to some depth did not find
TOP_UNITS = 10
NO_UNIT = -1  # in place of the units that a pool with fewer than 10 does not have

Ranks2D = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Ranks in the pool of all languages together, which only the protocol "parallel" has.

    `rank_qr` counts all languages' passages. `top_language_q` is the language of the best passage, relevant or not,
    and `top_relevant_q` whether it is relevant. `units_qk` are the first 10 distinct units of the ranking.
    """

    rank_qr: Ranks2D
    top_language_q: NDArray[np.int64]
    top_relevant_q: NDArray[np.bool_]
    units_qk: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Search:
    """How a monolingual pool was searched. `depth` is None where ranks are exact over the whole pool."""

    index: str = "exact"
    depth: int | None = None


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks of every question's relevant passages, int32 (q, r), PAD where a question has fewer than r.

    `own_qr` counts only passages in the relevant passage's language: it is the rank in the monolingual or
    cross-lingual pool of that language. `relevant_language_qr` is that language (index; -1 in padding), `grade_qr`
    how relevant the passage is. `pool_size_l` is the number of passages of each language, `ignored_ql` how many of
    them are no candidates for a question (None: all are, for all questions). `group_q` numbers the translation groups
    in `groups`.
    """

    benchmark: str
    languages: tuple[str, ...]
    groups: tuple[str, ...]
    group_q: NDArray[np.int64]
    language_q: NDArray[np.int64]
    relevant_language_qr: NDArray[np.int32]
    grade_qr: NDArray[np.int32]
    own_qr: Ranks2D
    pool_size_l: NDArray[np.int64]
    pooled: Pooled | None
    search: Search
    ignored_ql: NDArray[np.int32] | None = None

    @property
    def protocol(self) -> Protocol:
        """Whether the languages are ranked together too."""
        return "monolingual" if self.pooled is None else "parallel"

    @property
    def pool_size(self) -> int:
        """Passages of all languages."""
        return int(self.pool_size_l.sum())


def several_languages(ranks_qr: Ranks2D, relevant_language_qr: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Questions whose relevant passages are in two languages or more: those of which something is parallel."""
    real_qr = ranks_qr != PAD
    highest_q = np.where(real_qr, relevant_language_qr, -1).max(1)
    return np.asarray((real_qr & (relevant_language_qr != highest_q[:, None])).any(1))


@dataclass(frozen=True, eq=False)
class Targets:
    """The relevant passages of a benchmark as padded arrays: passage index (-1), language (-1) and grade (0)."""

    relevant_qr: NDArray[np.int64]
    language_qr: NDArray[np.int32]
    grade_qr: NDArray[np.int32]


def targets(benchmark: Benchmark) -> Targets:
    """Pad the relevant passages of every question to the same number."""
    width = max(1, *map(len, benchmark.relevant_q))
    relevant_qr = np.full((len(benchmark.questions), width), -1)
    grade_qr = np.zeros(relevant_qr.shape, np.int32)
    for row, (passages, grades) in enumerate(zip(benchmark.relevant_q, benchmark.grade_q, strict=True)):
        relevant_qr[row, : len(passages)] = passages
        grade_qr[row, : len(passages)] = grades
    language_qr = np.where(relevant_qr >= 0, benchmark.passages.language_d[relevant_qr], -1).astype(np.int32)
    return Targets(relevant_qr, language_qr, grade_qr)


def ranking(benchmark: Benchmark, wanted: Targets, own_qr: Ranks2D, pooled: Pooled | None, search: Search) -> Ranking:
    """Put a benchmark's questions and their ranks together."""
    groups = tuple(sorted({question.group for question in benchmark.questions}))
    number = {group: place for place, group in enumerate(groups)}
    language_d, size = benchmark.passages.language_d, len(benchmark.languages)
    ignored_ql = None
    if benchmark.ignored_q:
        ignored_ql = np.array(
            [np.bincount(language_d[rows], minlength=size) for rows in benchmark.ignored_q], np.int32
        )
    return Ranking(
        benchmark=benchmark.name,
        languages=benchmark.languages,
        groups=groups,
        group_q=np.array([number[question.group] for question in benchmark.questions]),
        language_q=benchmark.question_language_q,
        relevant_language_qr=wanted.language_qr,
        grade_qr=wanted.grade_qr,
        own_qr=own_qr,
        pool_size_l=np.bincount(language_d[benchmark.candidate_d], minlength=size),
        pooled=pooled,
        search=search,
        ignored_ql=ignored_ql,
    )
