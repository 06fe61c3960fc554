"""What a trial's training was exposed to, as `exposure.csv`."""

import csv
import io
from collections import Counter
from collections.abc import Sequence

from sweep.training.exposure import Exposure, PairCount
from sweep.training.units import Pair, Unit

COLUMNS = ("kind", "query_language", "passage_language", "batches", "rows", "share", "small_batches", "left_out")


def exposure_table(exposure: Exposure, left_out: Sequence[Unit] = ()) -> str:
    """CSV: one line a language pair. `batches` have at least one row of it; `share` is that of all rows;
    `small_batches` are those of its batches that had fewer rows than `train.batch_size`; `left_out` the translation
    groups of pairs that are not drawn because they have fewer than that."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    groups: Counter[Pair] = Counter()
    for unit in left_out:  # a pair of several sources may have several
        groups[unit.pair] += unit.size
    for pair in sorted(exposure.pairs.keys() | groups.keys(), key=lambda pair: (pair[0] != pair[1], pair)):
        count = exposure.pairs.get(pair, PairCount())
        kind = "monolingual" if pair[0] == pair[1] else "cross-lingual"
        share = f"{count.rows / exposure.rows:.6f}"
        writer.writerow([kind, *pair, count.batches, count.rows, share, count.small, groups[pair]])
    return text.getvalue()
