"""What a training was exposed to: the ratio that came about, rows by language pair, mean loss by kind."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sweep.training.plan import Batch, Kind, Pair

KINDS: tuple[Kind, ...] = ("monolingual", "cross-lingual")


class PairCount(NamedTuple):
    """Batches with at least one row of a language pair, its rows in them, and how many of them were small. That one a
    checkpoint of an earlier version does not have of the batches before it."""

    batches: int = 0
    rows: int = 0
    small: int = 0


class KindCount(NamedTuple):
    """Batches of a kind; the sum of the mean losses of `with_loss` of them, which may be fewer: a checkpoint of an
    earlier version does not have the losses of the batches before it."""

    batches: int = 0
    loss_sum: float = 0.0
    with_loss: int = 0

    @property
    def mean_loss(self) -> float | None:
        """Mean over the batches whose loss is known; None if there is none."""
        return self.loss_sum / self.with_loss if self.with_loss else None


@dataclass(frozen=True)
class Exposure:
    """Counts over all batches that were trained on, those after the best validation included.

    `small` are batches with fewer rows than `train.batch_size`: their language or pair has no more groups. `tokens`
    are those of all texts, without padding; None if those of some batch are not known. Of `words`, those of texts
    that may have some in other languages, `switched` are so; both are 0 unless the training switches words.
    """

    kinds: Mapping[Kind, KindCount] = field(default_factory=dict)
    pairs: Mapping[Pair, PairCount] = field(default_factory=dict)
    small: int = 0
    tokens: int | None = 0
    words: int = 0
    switched: int = 0

    @property
    def batches(self) -> int:
        """All batches."""
        return sum(count.batches for count in self.kinds.values())

    @property
    def rows(self) -> int:
        """All rows: a question and its passage each."""
        return sum(count.rows for count in self.pairs.values())

    def after(self, batch: Batch, batch_size: int, loss: float | None, tokens: int | None = None) -> "Exposure":
        """With one batch more; `loss` is its mean loss and `tokens` the number of its tokens, None if not known."""
        kind = self.kinds.get(batch.kind, KindCount())
        kind = KindCount(kind.batches + 1, kind.loss_sum + (loss or 0.0), kind.with_loss + (loss is not None))
        small = len(batch.pairs) < batch_size
        pairs = dict(self.pairs)
        for pair, rows in Counter(batch.pairs).items():
            known = pairs.get(pair, PairCount())
            pairs[pair] = PairCount(known.batches + 1, known.rows + rows, known.small + small)
        every = None if self.tokens is None or tokens is None else self.tokens + tokens
        words, switched = self.words, self.switched
        if batch.switched is not None:
            words, switched = words + batch.switched.words, switched + batch.switched.switched
        return Exposure({**self.kinds, batch.kind: kind}, pairs, self.small + small, every, words, switched)

    @property
    def monolingual_share(self) -> float:
        """The ratio that came about: monolingual batches among all; NaN without any batch."""
        return self.kinds.get("monolingual", KindCount()).batches / self.batches if self.batches else math.nan

    def summary(self) -> dict[str, Any]:
        """For `result.json`: counts, the realised ratio, mean losses by kind, rows by question and passage language,
        and, if the training switches words, their share."""
        rows: dict[str, dict[str, int]] = {}
        for (asked, answered), count in sorted(self.pairs.items()):
            rows.setdefault(asked, {})[answered] = count.rows
        return {
            "batches": {kind: self.kinds[kind].batches for kind in KINDS if kind in self.kinds},
            "monolingual_share": self.monolingual_share,
            "small_batches": self.small,
            "mean_loss": {kind: self.kinds[kind].mean_loss for kind in KINDS if kind in self.kinds},
            "rows": rows,
            "tokens": self.tokens,
            **({"switched_words": self.switched / self.words} if self.words else {}),
        }

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return {
            "kinds": [[kind, *count] for kind, count in self.kinds.items()],
            "pairs": [[*pair, *count] for pair, count in self.pairs.items()],
            "small": self.small,
            "tokens": self.tokens,
            **({"words": [self.words, self.switched]} if self.words else {}),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Exposure":
        """The inverse of `to_json`, to the bit; a checkpoint of an earlier version did not count tokens."""
        kinds = {kind: KindCount(*count) for kind, *count in saved["kinds"]}
        pairs = {(asked, answered): PairCount(*count) for asked, answered, *count in saved["pairs"]}
        return cls(kinds, pairs, saved["small"], saved.get("tokens"), *saved.get("words", (0, 0)))


NOTHING = Exposure()  # before the first batch
