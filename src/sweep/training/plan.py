"""The plan of hybrid batches: which kind, languages and rows every step has.

The plan of a step is a pure function of (seed, step): there is no sampler state, any step can be computed alone, and
all ranks compute the same global batch and take disjoint slices of it.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.cells import Cells, GroupSet
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.settings import RatioSettings
from sweep.training.draw import Draw, EvenDraw, IndependentDraw, Kind
from sweep.training.needs import NOTHING, Needs
from sweep.training.translations import Pivots, pivots, translated_groups, translated_questions
from sweep.training.units import Pair, Unit, Units, units_of

__all__ = ["Batch", "BatchPlan", "Kind", "Pair", "rank_slice"]

KINDS: tuple[Kind, Kind] = ("monolingual", "cross-lingual")
MOST_ORDERED = 100_000  # groups of a pair whose whole order is drawn for a row of a mixed batch
# What sets generators here apart from that of a step's rows, [seed, step]; 2 to 4 belong to `sweep.training.draw`.
_HARD, _SEVERAL = 1, 5
_TRANSLATIONS, _PIVOTS = 8, 9


class SwitchedTexts(NamedTuple):
    """Questions and passages of a batch that have words in other languages, by row; of the words of all texts that
    may have some, how many there are, and how many gave way."""

    questions: Mapping[int, str]
    passages: Mapping[int, str]
    words: int
    switched: int


NOTHING_SWITCHED = SwitchedTexts({}, {}, 0, 0)


@dataclass(frozen=True, eq=False)
class Batch:
    """One global batch, b rows: distinct translation groups, each with a question and its relevant passage.

    `kind` is "monolingual" or "cross-lingual"; `pairs` the (question, passage) languages of each row.
    `question_b` and `passage_b` are indices into the training set's texts, `group_b` into its groups. `weight_b` is
    what the loss of each row is multiplied by; None for 1. `switched` are texts that stand in the place of
    `question_b` and `passage_b`, if the training switches words.
    `hard_n` are the texts of the rows' hard negatives, each once and without passages of the batch. `negative_bc`
    says which candidate, the passages of the batch and then its hard negatives, may be a negative of which question:
    any but the relevant passages of the question's group, in whatever language, and the question's own text.
    `translation_b` are the rows' questions in another language, -1 where there is none, and `pivots` translations of
    both texts in one language: None unless the loss needs them.
    """

    kind: Kind
    pairs: tuple[Pair, ...]
    group_b: NDArray[np.int64]
    question_b: NDArray[np.int32]
    passage_b: NDArray[np.int32]
    hard_n: NDArray[np.int32]
    negative_bc: NDArray[np.bool_]
    weight_b: NDArray[np.float32] | None = None
    translation_b: NDArray[np.int32] | None = None
    pivots: Pivots | None = None
    switched: SwitchedTexts | None = None


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Draws the batch of any of `steps` steps (with accumulation: of any batch of these, `steps` being their number).

    With probability `ratio.monolingual` (or what `ratio.schedule` makes of it in this step) a batch is monolingual:
    one language. Otherwise it is cross-lingual: one ordered pair of different languages (`cross_batch: pair`), or a
    pair drawn anew for each row (`mixed`). How often which is drawn: see `sweep.training.units`. `ratio.draw: even`
    spreads kinds, languages and pairs evenly over the steps (see `sweep.training.draw`), `independent` draws them
    anew in every step; the probabilities of each step are the same, and so are the rows of a step that has the same
    kind and languages.
    Within a batch no translation group occurs twice. Where a group has several questions or passages in a language,
    one is drawn. A row brings up to `hard_negatives` of its question's hard negatives.
    Raises InputError if a kind that the ratio asks for has no rows, if a language or pair has too few and
    `ratio.few_rows` refuses that, or if there are no hard negatives, or no translations that the loss needs, at all.
    """

    data: TrainingSet
    ratio: RatioSettings
    batch_size: int
    seed: int
    steps: int
    hard_negatives: int = 0
    needs: Needs = NOTHING

    def __post_init__(self) -> None:
        _ = self.translated
        if self.hard_negatives and not len(self.data.negatives.text_n):
            raise InputError(
                f"train.hard_negatives={self.hard_negatives}, but no question of the training data has negatives"
            )
        for kind, units in self._units.items():
            if not units.drawn:
                weights = self.ratio.language_weights if kind == "monolingual" else self.ratio.pair_weights
                left = " that ratio.few_rows=leave_out leaves" if units.left_out else ""
                left = left or (" whose weight is not 0" if weights or self.ratio.source_weights else "")
                raise InputError(
                    f"ratio.monolingual={self.ratio.monolingual} asks for {kind} batches, but the training data has "
                    f"no two parallel rows for one{left}; languages: {' '.join(self.data.languages)}"
                )

    @cached_property
    def _units(self) -> dict[Kind, Units]:
        return {
            kind: units_of(self.data, self.ratio, self.batch_size, kind)
            for kind, wanted in zip(KINDS, self.ratio.kinds, strict=True)
            if wanted
        }

    @cached_property
    def translated(self) -> int | None:
        """How many translation groups have what the loss needs translated; None if it needs nothing."""
        asked = self.needs.translation or self.needs.pivot
        return translated_groups(self.data, self.needs) if asked else None

    @property
    def left_out(self) -> tuple[Unit, ...]:
        """Languages and pairs that have rows and are not drawn, as `ratio.few_rows` asks for."""
        return tuple(unit for units in self._units.values() for unit in units.left_out)

    @cached_property
    def _draw(self) -> Draw:
        return EvenDraw(self.seed) if self.ratio.draw == "even" else IndependentDraw()

    def batch(self, step: int) -> Batch:
        """The global batch of a step (from 0)."""
        rng = np.random.default_rng([self.seed, step])
        # An even draw has numbers of its own, but the step's are taken all the same: the rows come after them.
        if self._draw.of_kind(step, rng.random()) < self.ratio.monolingual_at(step, self.steps):
            return self._batch_of_unit(rng, step, "monolingual")
        if self.ratio.cross_batch == "pair":
            return self._batch_of_unit(rng, step, "cross-lingual")
        return self._mixed_batch(rng, step)

    def _units_drawn(self, rng: np.random.Generator, step: int, kind: Kind, size: int) -> list[Unit]:
        """So many languages or pairs."""
        units = self._units[kind]
        uniform = self._draw.of_units(step, kind, units.shares.edges, rng.random(size))
        return [units.drawn[place] for place in units.shares.cumulated_u.searchsorted(uniform, side="right")]

    def _batch_of_unit(self, rng: np.random.Generator, step: int, kind: Kind) -> Batch:
        (unit,) = self._units_drawn(rng, step, kind, 1)
        size = min(self.batch_size, unit.size)
        group_b = self._groups(unit).at(rng.choice(unit.size, size, replace=False))
        return self._assemble(step, kind, [unit.pair] * size, group_b)

    def _mixed_batch(self, rng: np.random.Generator, step: int) -> Batch:
        """A pair drawn per row. A row whose pair has no unused group left is left out, or, unless `ratio.few_rows` is
        smaller, is of another pair, drawn alike of those that have one."""
        chosen: dict[int, Pair] = {}
        every = self._units["cross-lingual"].drawn
        groups_of = cache(self._groups)
        for drawn in self._units_drawn(rng, step, "cross-lingual", self.batch_size):
            unit, group = drawn, _unused(rng, groups_of(drawn), chosen)
            fills_up = group is None and self.ratio.few_rows != "smaller"
            others = iter(rng.permutation(len(every)).tolist() if fills_up else ())
            while group is None and (place := next(others, None)) is not None:
                unit = every[place]
                group = _unused(rng, groups_of(unit), chosen)
            if group is not None:
                chosen[group] = unit.pair
        return self._assemble(step, "cross-lingual", list(chosen.values()), np.array(list(chosen)))

    def _groups(self, unit: Unit) -> GroupSet:
        return self.data.rows(*unit.pair, unit.source)

    def _assemble(self, step: int, kind: Kind, pairs: list[Pair], group_b: NDArray[np.int64]) -> Batch:
        column = {code: index for index, code in enumerate(self.data.languages)}
        asked_b, answered_b = ([column[pair[side]] for pair in pairs] for side in (0, 1))
        rng = np.random.default_rng([self.seed, step, _SEVERAL])  # its own: most data have one text in a cell
        questions = _one_each(rng, self.data.questions, group_b, asked_b)
        passages = _one_each(rng, self.data.passages, group_b, answered_b)
        question_b, passage_b = self.data.questions.text_n[questions], self.data.passages.text_n[passages]
        hard_n = np.setdiff1d(self._hard_negatives(step, group_b, answered_b), passage_b)
        candidate_c = np.concatenate([passage_b, hard_n])
        negative_bc = ~self.data.relevant_bn(group_b, candidate_c) & (question_b[:, None] != candidate_c)
        weight_n = self.data.passages.weight_n
        weight_b = None if weight_n is None else weight_n[passages]
        translation_b, in_pivot = self._translations(step, group_b, pairs), None
        if self.needs.pivot is not None:
            rng = np.random.default_rng([self.seed, step, _PIVOTS])
            in_pivot = pivots(self.data, group_b, pairs, (question_b, passage_b), self.needs.pivot, rng)
        return Batch(
            kind, tuple(pairs), group_b, question_b, passage_b, hard_n, negative_bc, weight_b, translation_b, in_pivot
        )

    def _translations(self, step: int, group_b: NDArray[np.int64], pairs: list[Pair]) -> NDArray[np.int32] | None:
        """The rows' questions in another language, if the loss needs them."""
        if self.needs.translation is None:
            return None
        rng = np.random.default_rng([self.seed, step, _TRANSLATIONS])  # its own: rows are as without translations
        side = ("question", "passage").index(self.needs.translation)
        return translated_questions(self.data, group_b, [pair[side] for pair in pairs], rng)

    def _hard_negatives(self, step: int, group_b: NDArray[np.int64], column_b: list[int]) -> NDArray[np.int32]:
        """Texts drawn from the hard negatives of each row's passage cell."""
        drawn = [np.zeros(0, np.int32)]
        if self.hard_negatives:
            rng = np.random.default_rng([self.seed, step, _HARD])  # its own: rows are as without negatives
            for group, column in zip(group_b.tolist(), column_b, strict=True):
                texts = self.data.negatives.of(group, column)
                drawn.append(rng.choice(texts, min(self.hard_negatives, len(texts)), replace=False))
        return np.concatenate(drawn)


def _unused(rng: np.random.Generator, groups: GroupSet, used: Container[int]) -> int | None:
    """A uniform draw among the groups that are not used yet; None if all are."""
    if len(groups) > MOST_ORDERED:  # a batch uses few of them: what is drawn is hardly ever used
        while (group := int(groups.at(rng.integers(len(groups), size=1))[0])) in used:
            pass
        return group
    # In a random order of all groups the first unused one is a uniform draw among the unused.
    order = groups.at(rng.permutation(len(groups)))
    return next((group for group in order.tolist() if group not in used), None)


def _one_each(
    rng: np.random.Generator, cells: Cells, group_b: NDArray[np.int64], column_b: list[int]
) -> NDArray[np.int64]:
    """An item of each row's cell, drawn where there are several."""
    low_b, high_b = np.array(
        [cells.within(group, column) for group, column in zip(group_b.tolist(), column_b, strict=True)]
    ).T
    place_b: NDArray[np.int64] = low_b + (rng.random(len(low_b)) * (high_b - low_b)).astype(np.int64)
    return place_b


def rank_slice(size: int, rank: int, world_size: int) -> NDArray[np.int64]:
    """Rows of a global batch of `size` rows that one rank encodes: ceil(size / world_size) indices.

    Ranks take contiguous, disjoint slices; a short last slice is filled up with the last row, so that all ranks
    encode equally many. The filling is dropped again after the gather (it lies at the end of the concatenation).
    """
    per_rank = -(-size // world_size)
    return np.minimum(np.arange(rank * per_rank, (rank + 1) * per_rank), size - 1)
