"""Translations of a batch's texts, for losses that need them: drawn by generators of their own, so that the batches
are those of any other loss.

Shapes: b = rows of the global batch, l = languages of the training set.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.cells import Cells
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.training.needs import Needs

NONE = -1  # in the place of a text


class Pivots(NamedTuple):
    """Translations of each row's question and passage in one language, as texts of the training set; -1 where there
    is none. A text in this language is its own."""

    question_b: NDArray[np.int32]
    passage_b: NDArray[np.int32]


def translated_questions(
    data: TrainingSet, group_b: NDArray[np.int64], not_in_b: Sequence[str], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Each row's question in a language other than `not_in_b`, as a text of the training set; -1 where there is none.

    The languages are taken in an order that is drawn once a batch, so that as many rows as possible have the same:
    among candidates of many languages the language alone would tell most of them apart.
    """
    turn_l = rng.permutation(len(data.languages))
    uniform_b = rng.random(len(group_b))
    cells, text_b = data.questions, np.full(len(group_b), NONE, np.int32)
    for row, (group, code) in enumerate(zip(group_b.tolist(), not_in_b, strict=True)):
        low, high = cells.offset_g[group], cells.offset_g[group + 1]
        language_n = cells.language_n[low:high]
        places = np.flatnonzero(language_n != data.languages.index(code))
        if len(places):
            turn_n = turn_l[language_n[places]]
            first = places[turn_n == turn_n.min()]
            text_b[row] = cells.text_n[low + first[int(uniform_b[row] * len(first))]]
    return text_b


def pivots(
    data: TrainingSet,
    group_b: NDArray[np.int64],
    pairs: Sequence[tuple[str, str]],
    own: tuple[NDArray[np.int32], NDArray[np.int32]],
    pivot: str,
    rng: np.random.Generator,
) -> Pivots:
    """Translations in `pivot` of `own`, the questions and the passages of the rows."""
    drawn = [_texts_in(cells, group_b, data.languages.index(pivot), rng) for cells in (data.questions, data.passages)]
    is_pivot_bs = np.array(pairs) == pivot
    return Pivots(*(np.where(is_pivot_bs[:, side], own[side], drawn[side]) for side in (0, 1)))


def _texts_in(cells: Cells, group_b: NDArray[np.int64], column: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """A text of each group in one language, drawn where there are several; -1 where there is none."""
    text_b = np.full(len(group_b), NONE, np.int32)
    for row, (group, uniform) in enumerate(zip(group_b.tolist(), rng.random(len(group_b)).tolist(), strict=True)):
        texts = cells.of(group, column)
        if len(texts):
            text_b[row] = texts[int(uniform * len(texts))]
    return text_b


def translated_groups(data: TrainingSet, needs: Needs) -> int:
    """How many translation groups have what a loss needs translated. Raises InputError if none has."""
    kept_g = data.kept_g
    present = [cells.present_lg(len(data.languages)) & kept_g for cells in (data.questions, data.passages)]
    if needs.pivot is not None:
        column = data.languages.index(needs.pivot)
        asked_g, answered_g = (present_lg[column] & (present_lg.sum(0) > 1) for present_lg in present)
        number = int((asked_g | answered_g).sum())
        if not number:
            raise InputError(
                f"loss.pivot={needs.pivot}: no translation group of the training data has a question or a passage in "
                "this language and in another one; choose another pivot, loss.target=retention or parallel data"
            )
        return number
    number = int((present[0].sum(0) > 1).sum())
    if not number:
        raise InputError(
            "the loss needs translated questions, and no translation group of the training data has its question in "
            "two languages; choose loss=info_nce, or data with parallel questions"
        )
    return number
