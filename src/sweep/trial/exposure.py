"""What a trial's training was exposed to, as `exposure.csv`."""

import csv
import io

from sweep.training.exposure import Exposure

COLUMNS = ("kind", "query_language", "passage_language", "batches", "rows", "share", "small_batches")


def exposure_table(exposure: Exposure) -> str:
    """CSV: one line a language pair. `batches` have at least one row of it; `share` is that of all rows;
    `small_batches` are those of its batches that had fewer rows than `train.batch_size`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (asked, answered), count in sorted(
        exposure.pairs.items(), key=lambda item: (item[0][0] != item[0][1], item[0])
    ):
        kind = "monolingual" if asked == answered else "cross-lingual"
        share = f"{count.rows / exposure.rows:.6f}"
        writer.writerow([kind, asked, answered, count.batches, count.rows, share, count.small])
    return text.getvalue()
