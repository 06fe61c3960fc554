"""The plan of hybrid batches: which kind, languages and rows every step has.

The plan of a step is a pure function of (seed, step): there is no sampler state, any step can be computed alone, and
all ranks compute the same global batch and take disjoint slices of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.settings import RatioSettings
from sweep.training.draw import Draw, EvenDraw, IndependentDraw, Kind

__all__ = ["Batch", "BatchPlan", "Kind", "Pair", "rank_slice"]

Pair = tuple[str, str]  # language of the question, language of the passage


@dataclass(frozen=True, eq=False)
class Batch:
    """One global batch, b rows: distinct translation groups, each with a question and its relevant passage.

    `kind` is "monolingual" or "cross-lingual"; `pairs` the (question, passage) languages of each row.
    `question_b` and `passage_b` are indices into the training set's texts, `group_b` into its groups.
    `hard_n` are the texts of the rows' hard negatives, each once and without passages of the batch. `negative_bc`
    says which candidate, the passages of the batch and then its hard negatives, may be a negative of which question:
    any but the relevant passages of the question's group, in whatever language.
    """

    kind: Kind
    pairs: tuple[Pair, ...]
    group_b: NDArray[np.int64]
    question_b: NDArray[np.int32]
    passage_b: NDArray[np.int32]
    hard_n: NDArray[np.int32]
    negative_bc: NDArray[np.bool_]


class Shares(NamedTuple):
    """The probabilities of languages or pairs: their cumulated sums, and `edges`, the sums where the pairs of each
    question language begin, and 1."""

    cumulated_u: NDArray[np.float64]
    edges: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Sequence[Pair], probability_u: NDArray[np.float64]) -> "Shares":
        """The sums are those of numpy's Generator.choice, so that the same number draws the same pair."""
        cumulated_u = probability_u.cumsum()
        cumulated_u = cumulated_u / cumulated_u[-1:]
        sizes = [len(list(alike)) for _, alike in groupby(pairs, lambda pair: pair[0])]
        last = np.cumsum(sizes, dtype=np.int64) - 1
        return cls(cumulated_u, np.concatenate([[0.0], cumulated_u[last]]))


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Draws the batch of any of `steps` steps (with accumulation: of any batch of these, `steps` being their number).

    With probability `ratio.monolingual` (or what `ratio.schedule` makes of it in this step) a batch is monolingual:
    one language, drawn by `ratio.language_sampling` over the languages' numbers of rows n (`uniform`: equal; `size`:
    p ~ n; `temperature`: p ~ n^(1/T), Conneau et al. 2020, arXiv 1911.02116). Otherwise it is cross-lingual: one
    ordered pair of different languages, drawn likewise over the pairs' numbers of rows (`cross_batch: pair`), or a
    pair drawn anew for each row (`mixed`). `ratio.draw: even` spreads kinds, languages and pairs evenly over the
    steps (see `sweep.training.draw`), `independent` draws them anew in every step; the probabilities of each step
    are the same, and so are the rows of a step that has the same kind and languages.
    Within a batch no translation group occurs twice; a language or pair with fewer groups than `batch_size` gives a
    smaller batch. A row brings up to `hard_negatives` of its question's hard negatives, in its passage's language.
    Raises InputError if a kind that the ratio asks for has no rows, or if there are no hard negatives at all.
    """

    data: TrainingSet
    ratio: RatioSettings
    batch_size: int
    seed: int
    steps: int
    hard_negatives: int = 0

    def __post_init__(self) -> None:
        if self.hard_negatives and not self.data.negatives:
            raise InputError(
                f"train.hard_negatives={self.hard_negatives}, but no question of the training data has negatives"
            )
        for kind, wanted, units in zip(
            ("monolingual", "cross-lingual"),
            self.ratio.kinds,
            (self._monolingual_units, self._cross_lingual_units),
            strict=True,
        ):
            if wanted and not units[0]:
                raise InputError(
                    f"ratio.monolingual={self.ratio.monolingual} asks for {kind} batches, but the training data has "
                    f"no two parallel rows for one; languages: {' '.join(self.data.languages)}"
                )

    @cached_property
    def _monolingual_units(self) -> tuple[list[Pair], list[NDArray[np.int64]]]:
        return self._units([(code, code) for code in self.data.languages])

    @cached_property
    def _cross_lingual_units(self) -> tuple[list[Pair], list[NDArray[np.int64]]]:
        return self._units(list(permutations(self.data.languages, 2)))

    def _units(self, pairs: list[Pair]) -> tuple[list[Pair], list[NDArray[np.int64]]]:
        """Pairs with at least two rows (one row has no in-batch negative) and the groups of each."""
        rows = {pair: self.data.rows(*pair) for pair in pairs}
        return [pair for pair in pairs if len(rows[pair]) > 1], [rows[pair] for pair in pairs if len(rows[pair]) > 1]

    def _weights(self, sizes: list[int]) -> NDArray[np.float64]:
        exponent = {"uniform": 0.0, "size": 1.0, "temperature": 1 / self.ratio.temperature}
        weight = np.array(sizes, np.float64) ** exponent[self.ratio.language_sampling]
        normalised: NDArray[np.float64] = weight / weight.sum()
        return normalised

    @cached_property
    def _shares(self) -> dict[Kind, "Shares"]:
        units: dict[Kind, tuple[list[Pair], list[NDArray[np.int64]]]] = {
            "monolingual": self._monolingual_units,
            "cross-lingual": self._cross_lingual_units,
        }
        return {
            kind: Shares.of(pairs, self._weights([len(groups) for groups in rows]))
            for kind, (pairs, rows) in units.items()
        }

    @cached_property
    def _draw(self) -> Draw:
        return EvenDraw(self.seed) if self.ratio.draw == "even" else IndependentDraw()

    def batch(self, step: int) -> Batch:
        """The global batch of a step (from 0)."""
        rng = np.random.default_rng([self.seed, step])
        # An even draw has numbers of its own, but the step's are taken all the same: the rows come after them.
        if self._draw.of_kind(step, rng.random()) < self.ratio.monolingual_at(step, self.steps):
            return self._batch_of_unit(rng, step, "monolingual", *self._monolingual_units)
        if self.ratio.cross_batch == "pair":
            return self._batch_of_unit(rng, step, "cross-lingual", *self._cross_lingual_units)
        return self._mixed_batch(rng, step, *self._cross_lingual_units)

    def _units_drawn(self, rng: np.random.Generator, step: int, kind: Kind, size: int) -> NDArray[np.int64]:
        """So many languages or pairs, as indices."""
        cumulated_u, edges = self._shares[kind]
        uniform = self._draw.of_units(step, kind, edges, rng.random(size))
        drawn: NDArray[np.int64] = cumulated_u.searchsorted(uniform, side="right")
        return drawn

    def _batch_of_unit(
        self,
        rng: np.random.Generator,
        step: int,
        kind: Kind,
        pairs: list[Pair],
        rows: list[NDArray[np.int64]],
    ) -> Batch:
        (unit,) = self._units_drawn(rng, step, kind, 1)
        size = min(self.batch_size, len(rows[unit]))
        return self._assemble(step, kind, [pairs[unit]] * size, rng.choice(rows[unit], size, replace=False))

    def _mixed_batch(
        self, rng: np.random.Generator, step: int, pairs: list[Pair], rows: list[NDArray[np.int64]]
    ) -> Batch:
        """A pair drawn per row; a row whose pair has no unused group left is left out."""
        chosen: dict[int, Pair] = {}
        for unit in self._units_drawn(rng, step, "cross-lingual", self.batch_size):
            # A random order of the unit's groups; the first unused one is a uniform draw among the unused.
            unused = next((group for group in rng.permutation(rows[unit]) if group not in chosen), None)
            if unused is not None:
                chosen[int(unused)] = pairs[unit]
        return self._assemble(step, "cross-lingual", list(chosen.values()), np.array(list(chosen)))

    def _assemble(self, step: int, kind: Kind, pairs: list[Pair], group_b: NDArray[np.int64]) -> Batch:
        column = {code: index for index, code in enumerate(self.data.languages)}
        column_b = [column[answered] for _, answered in pairs]
        question_b = self.data.question_gl[group_b, [column[asked] for asked, _ in pairs]]
        passage_b = self.data.passage_gl[group_b, column_b]
        hard_n = np.setdiff1d(self._hard_negatives(step, group_b, column_b), passage_b)
        negative_bc = ~self.data.relevant_bn(group_b, np.concatenate([passage_b, hard_n]))
        return Batch(kind, tuple(pairs), group_b, question_b, passage_b, hard_n, negative_bc)

    def _hard_negatives(self, step: int, group_b: NDArray[np.int64], column_b: list[int]) -> NDArray[np.int32]:
        """Texts drawn from the hard negatives of each row's passage cell."""
        drawn = [np.zeros(0, np.int32)]
        if self.hard_negatives:
            rng = np.random.default_rng([self.seed, step, 1])  # its own: the rows are those of a plan without them
            for cell in zip(group_b.tolist(), column_b, strict=True):
                texts = self.data.negatives.get(cell, drawn[0])
                drawn.append(rng.choice(texts, min(self.hard_negatives, len(texts)), replace=False))
        return np.concatenate(drawn)


def rank_slice(size: int, rank: int, world_size: int) -> NDArray[np.int64]:
    """Rows of a global batch of `size` rows that one rank encodes: ceil(size / world_size) indices.

    Ranks take contiguous, disjoint slices; a short last slice is filled up with the last row, so that all ranks
    encode equally many. The filling is dropped again after the gather (it lies at the end of the concatenation).
    """
    per_rank = -(-size // world_size)
    return np.minimum(np.arange(rank * per_rank, (rank + 1) * per_rank), size - 1)
