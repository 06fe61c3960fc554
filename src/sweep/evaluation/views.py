"""What the functions of metrics look at; their parameters have the names of these fields.

`mono`, `cross` and `pooled` have a PoolView, `agreement` an AnswersView, and `geometry` a TranslationsView by pair,
an EmbeddingsView by language, or a LanguageView for figures that are no means.

Shapes: q = questions, r = relevant passages of a question (padded), k = best units, h = hidden size,
g = translation groups that both languages have, m = all questions of the first, n = of the second language.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.ranking import Ranks2D

Size = int | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PoolView:
    """Questions of one language in one pool. Sizes are of the whole pool, or of each question's (q) where questions
    ignore some of its passages. `top_language_q` is that of the best passage, relevant or not; only the
    pool of all languages has it. `own_passages`: how many passages there are in the questions' language.
    `translated_qr`: in a pool of another language's passages, the ranks of those relevant to the question's
    translation into that language (r, PAD where there is none)."""

    ranks_qr: Ranks2D
    grade_qr: NDArray[np.int32]
    relevant_language_qr: NDArray[np.int32]
    question_language_q: NDArray[np.int64]
    pool_size: Size
    own_passages: Size
    top_language_q: NDArray[np.int64]
    translated_qr: Ranks2D


@dataclass(frozen=True, eq=False)
class AnswersView:
    """Parallel questions in two languages: their first units, and whether their first passages are relevant."""

    one_gk: NDArray[np.int32]
    other_gk: NDArray[np.int32]
    one_correct_g: NDArray[np.bool_]
    other_correct_g: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TranslationsView:
    """Embeddings of parallel questions in two languages, and the cosines of all questions of the two languages, with
    the row and the column of each translation group."""

    one_gh: NDArray[np.float32]
    other_gh: NDArray[np.float32]
    cosine_mn: NDArray[np.float32]
    row_g: NDArray[np.int64]
    column_g: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EmbeddingsView:
    """Embeddings of the questions of all languages, which `language_q` numbers as `group_q` numbers their groups."""

    embedding_qh: NDArray[np.float32]
    language_q: NDArray[np.int64]
    group_q: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LanguageView:
    """Embeddings of the questions of one language."""

    embedding_mh: NDArray[np.float32]


View = PoolView | AnswersView | TranslationsView | EmbeddingsView | LanguageView
