"""What was mined, in numbers: rows, negatives by language, what was refused, and how the scores are distributed.

Shapes: r = rows, n = negatives of several rows, one after another, b = bins of scores.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.mining.search import Mined

BINS = 20_000  # of scores in [-1, 1]: quantiles to four digits, whatever the number of rows
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
REFUSALS = {
    "relevant": "relevant to the question, in any language",
    "translation": "translation of a relevant passage",
    "twin": "equal to a relevant passage but for case or whitespace",
    "same question": "answers the same question in another translation group",
    "margin": "scores above the row's passage minus mine.margin",
    "relative": "scores above mine.relative of the row's passage",
    "repeated": "equal to a negative of the row",
    "near copy": "nearly equal to a relevant passage",
}


@dataclass
class Summary:
    """Counts over the rows that were written. `refused` counts passages that were looked at, by row; what lies behind
    the last rank or the last negative is not looked at. `short` rows have fewer negatives than were asked for."""

    asked: int
    rows: int = 0
    given: int = 0
    mined: int = 0
    short: int = 0
    without: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    rows_of: Counter[str] = field(default_factory=Counter)  # by the question's language
    negatives_of: Counter[tuple[str, str]] = field(default_factory=Counter)  # by question's and own language
    _positive_b: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    _negative_b: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add_part(self, mined: Mined) -> None:
        """Count the scores and refusals of some rows."""
        self.refused.update(mined.refused)
        self._positive_b += _binned(mined.positive_r)
        self._negative_b += _binned(mined.score_n)

    def add_row(self, row: dict[str, Any], given: int) -> None:
        """Count a row as it is written, so many of whose negatives the data had."""
        negatives = len(row["negatives"])
        self.rows += 1
        self.given += given
        self.mined += negatives - given
        self.short += negatives < self.asked
        self.without += negatives == 0
        self.rows_of[row["query_language"]] += 1
        for language in row["negative_languages"]:
            self.negatives_of[row["query_language"], language] += 1

    def quantiles(self) -> dict[str, list[float]]:
        """Scores at the QUANTILES, of the rows' own passages and of mined negatives; without those that there are
        none of."""
        both = {"relevant passages": self._positive_b, "mined negatives": self._negative_b}
        return {
            name: [_quantile(bins_b, share) for share in QUANTILES] for name, bins_b in both.items() if bins_b.any()
        }


def _binned(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    bins = np.clip(((scores.astype(np.float64) + 1) / 2 * BINS).astype(np.int64), 0, BINS - 1)
    return np.bincount(bins, minlength=BINS)


def _quantile(bins_b: NDArray[np.int64], share: float) -> float:
    place = int(np.searchsorted(np.cumsum(bins_b), share * bins_b.sum()))
    return (place + 0.5) / BINS * 2 - 1
