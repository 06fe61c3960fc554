"""The random numbers that decide the kind and the languages of a batch: drawn evenly, or each on its own.

All are uniform on [0, 1) at every step, so expectations are the same either way; what differs is how far a single
training strays from them. They are pure functions of (seed, step).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Kind = Literal["monolingual", "cross-lingual"]

BLOCK = 20  # steps over which the kinds are drawn evenly
# Of all irrational numbers those whose multiples, modulo 1, spread most evenly: the golden ratio, then sqrt 2.
GOLDEN, SILVER = (5**0.5 - 1) / 2, 2**0.5 - 1
BELOW_ONE = float(np.nextafter(1.0, 0.0))  # sums that are rounded up to 1 would be outside of [0, 1)
# What sets the generators here apart from that of a step's rows, [seed, step], and from each other. Not 0: numpy
# takes [seed, step, 0] for [seed, step]. 1 belongs to the hard negatives.
_STRATA, _SHIFTS, _ORDER = 2, 3, 4


class Draw(Protocol):
    """Where the numbers of a step come from. `independent` are those of the step's own generator, in their turn."""

    def of_kind(self, step: int, independent: float) -> float:
        """The batch is monolingual if this is below the step's probability of it."""
        ...

    def of_units(
        self, step: int, kind: Kind, edges: NDArray[np.float64], independent: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What chooses the language or pair of each of so many draws, by the cumulated probabilities; `edges` are
        these sums where a question language begins, and 1."""
        ...


class IndependentDraw:
    """Every number on its own: the shares that come about stray from the expected ones as in throwing coins."""

    def of_kind(self, step: int, independent: float) -> float:
        """The step's own number."""
        return independent

    def of_units(
        self, step: int, kind: Kind, edges: NDArray[np.float64], independent: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The step's own numbers."""
        return independent


class Strata(NamedTuple):
    """The block of a step: the permutation of 0 .. BLOCK - 1, and where in its stratum each step lies, in [0, 1)."""

    order: NDArray[np.int64]
    within: NDArray[np.float64]


@dataclass(frozen=True)
class EvenDraw:
    """Numbers that are uniform at every step and evenly spread over any stretch of steps.

    Kinds, stratified over blocks of m = 20 steps: u_t = (pi(b)[t mod m] + v_t) / m, pi a random permutation of
    0 .. m - 1 for each block b, v_t uniform. Of each block's batches alpha * m are monolingual, rounded up or down; a
    step that is monolingual at alpha is monolingual at any larger alpha, too.

    Languages, from a Kronecker sequence: x_t = frac(s + n * (sqrt 5 - 1) / 2), n = b * m + pi(b)[t mod m], s uniform
    and one for each kind. The steps of a kind are runs of pi's values (monolingual ones are the lower), and any run
    of that sequence is spread evenly (Niederreiter 1992, Random Number Generation and Quasi-Monte Carlo Methods,
    section 3.1): languages are drawn evenly whatever the ratio is. And x_t does not depend on the ratio: a step has
    the same language at every ratio for which it is of the same kind.
    A pair takes its question's language by x_t and its passage's by y_t, the like of it with sqrt 2 - 1: both are
    even.
    Several draws at one step (mixed batches) are systematic: (r + x_t) / n for r = 0 .. n - 1, in random order.
    """

    seed: int

    def of_kind(self, step: int, independent: float) -> float:
        """u_t."""
        order, within = _strata(self.seed, step // BLOCK)
        place = step % BLOCK
        return min(float(order[place] + within[place]) / BLOCK, BELOW_ONE)

    def of_units(
        self, step: int, kind: Kind, edges: NDArray[np.float64], independent: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """As many numbers as `independent` has."""
        number = step - step % BLOCK + int(_strata(self.seed, step // BLOCK).order[step % BLOCK])
        shift, other_shift = _shifts(self.seed)[kind]
        x, y = (shift + number * GOLDEN) % 1.0, (other_shift + number * SILVER) % 1.0
        size = len(independent)
        if size == 1:
            asked = edges.searchsorted(x, side="right")
            x = edges[asked - 1] + y * (edges[asked] - edges[asked - 1])
        order = np.random.default_rng([self.seed, step, _ORDER]).permutation(size)
        return np.minimum((order + x) / size, BELOW_ONE)


@lru_cache(maxsize=256)
def _strata(seed: int, block: int) -> Strata:
    rng = np.random.default_rng([seed, block, _STRATA])
    return Strata(rng.permutation(BLOCK), rng.random(BLOCK))


@lru_cache(maxsize=256)
def _shifts(seed: int) -> dict[Kind, tuple[float, float]]:
    one, other, third, fourth = np.random.default_rng([seed, 0, _SHIFTS]).random(4).tolist()
    return {"monolingual": (one, other), "cross-lingual": (third, fourth)}
