"""What batches are drawn from, languages and ordered pairs of them, and how often each is.

A unit with n translation groups has the weight n^0 (`ratio.language_sampling: uniform`), n (`size`), or n^(1/T)
(`temperature`, Conneau et al. 2020, arXiv 1911.02116), times the weight that `ratio.language_weights` or
`ratio.pair_weights` gives it, 1 if none. Where `ratio.source_weights` weighs sources, every source has its own
languages and pairs, and the sources get shares in proportion to their weights.
"""

from collections.abc import Sequence
from itertools import groupby, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.settings import RatioSettings
from sweep.settings.wording import listed
from sweep.training.draw import Kind

Pair = tuple[str, str]  # language of the question, language of the passage
FEWEST = 2  # a single row has no in-batch negative


class Unit(NamedTuple):
    """What a batch, or a row of a mixed batch, is drawn from: a pair of languages, which are the same in monolingual
    batches, of one source if sources are weighed. `size` is the number of its translation groups."""

    pair: Pair
    source: str | None
    size: int

    @property
    def name(self) -> str:
        """For messages: "sw", "en-sw", "sw (ntrex)"."""
        return "-".join(dict.fromkeys(self.pair)) + (f" ({self.source})" if self.source else "")


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


class Units(NamedTuple):
    """Units of one kind of batches: those that are drawn, with their shares, and those that have too few rows."""

    drawn: tuple[Unit, ...]
    shares: Shares
    left_out: tuple[Unit, ...]


def units_of(data: TrainingSet, ratio: RatioSettings, batch_size: int, kind: Kind) -> Units:
    """The units of one kind. A batch is smaller than `batch_size` if its unit has fewer groups, unless
    `ratio.few_rows` leaves such units out, or refuses them; then a batch of mixed pairs is filled up with others.

    Raises InputError if it refuses one.
    """
    sources: tuple[str | None, ...] = data.sources if ratio.source_weights else (None,)
    weighted, left_out = [], []
    for pair in _pairs(data.languages, kind):
        for source in sources:
            unit = Unit(pair, source, len(data.rows(*pair, source)))
            weight = _declared(unit, ratio)
            if unit.size < FEWEST or weight == 0:
                continue
            if unit.size < batch_size and ratio.few_rows != "smaller" and not _fills_up(ratio, kind):
                left_out.append(unit)
            else:
                weighted.append((unit, weight))
    if left_out and ratio.few_rows == "refuse":
        names = listed([f"{unit.name} {unit.size}" for unit in left_out])
        raise InputError(
            f"fewer translation groups than train.batch_size={batch_size}, which ratio.few_rows=refuse does not "
            f"allow: {names}; choose smaller batches, other languages, or ratio.few_rows=smaller or leave_out"
        )
    units = tuple(unit for unit, _ in weighted)
    weight_u = _weights(units, np.array([weight for _, weight in weighted]), ratio)
    return Units(units, Shares.of([unit.pair for unit in units], weight_u), tuple(left_out))


def _pairs(languages: tuple[str, ...], kind: Kind) -> list[Pair]:
    return [(code, code) for code in languages] if kind == "monolingual" else list(permutations(languages, 2))


def _fills_up(ratio: RatioSettings, kind: Kind) -> bool:
    return kind == "cross-lingual" and ratio.cross_batch == "mixed"


def _declared(unit: Unit, ratio: RatioSettings) -> float:
    """What the settings weigh the languages of a unit with, and its source."""
    asked, answered = unit.pair
    languages = ratio.language_weights if asked == answered else ratio.pair_weights
    of_source = 1.0 if unit.source is None else ratio.source_weights.get(unit.source, 1.0)
    return languages.get(asked if asked == answered else f"{asked}-{answered}", 1.0) * (of_source > 0)


def _weights(units: Sequence[Unit], declared_u: NDArray[np.float64], ratio: RatioSettings) -> NDArray[np.float64]:
    """Probabilities, which add up to 1."""
    exponent = {"uniform": 0.0, "size": 1.0, "temperature": 1 / ratio.temperature}[ratio.language_sampling]
    weight_u = np.array([unit.size for unit in units], np.float64) ** exponent * declared_u
    if ratio.source_weights:
        of_source = np.array([unit.source for unit in units], object)
        for source in set(of_source):
            within = of_source == source
            weight_u[within] *= ratio.source_weights.get(source, 1.0) / weight_u[within].sum()
    normalised: NDArray[np.float64] = weight_u / weight_u.sum()
    return normalised
