"""What the trainings of each point saw of every pair of languages."""

import csv
import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from sweep.answer.contents import ExposureRow
from sweep.answer.points import PointRow, best_first
from sweep.answer.ratios import MOST_TRIALS
from sweep.answer.trial_ratio import ratio_of
from sweep.errors import SweepError
from sweep.records.folder import TrialFolder
from sweep.settings import Objective

MOST_ROWS = 10_000  # of all points; 50 points with 14 languages
COUNTED = ("batches", "rows", "share", "small_batches", "left_out")

Pair = tuple[str, str]  # languages of question and passage
Counts = Mapping[str, float]  # by the names in COUNTED


def exposure_rows(points: Sequence[PointRow], objective: Objective) -> tuple[ExposureRow, ...]:
    """A row for every pair of languages of every point, the points in their own order: means over the seeds whose
    files are there. Of a large study the best points, at most MOST_TRIALS trials and MOST_ROWS rows.

    `small_batches` and `left_out` are NaN where an earlier version did not count them. Raises SweepError if a file is
    damaged, InputError if a trial's configuration is.
    """
    rows_of: dict[str, list[ExposureRow]] = {}
    trials = size = 0
    for point in best_first(points, objective):
        trials += len(point.records)
        if trials > MOST_TRIALS:
            break
        rows = _rows_of(point)
        size += len(rows)
        if size > MOST_ROWS:
            break
        rows_of[point.text] = rows
    return tuple(row for point in points for row in rows_of.get(point.text, ()))


def _rows_of(point: PointRow) -> list[ExposureRow]:
    folders = [record.folder for record in point.records if record.folder is not None]
    seeds = [counts for counts in map(read_exposure, folders) if counts]
    if not seeds:
        return []
    ratio = ratio_of(point.records[0])
    nothing = dict.fromkeys(COUNTED, 0.0)  # a pair that a seed never drew
    pairs = dict.fromkeys(pair for counts in seeds for pair in counts)
    means = {
        pair: {name: fmean(counts.get(pair, nothing)[name] for counts in seeds) for name in COUNTED} for pair in pairs
    }
    return [
        ExposureRow(point.text, ratio, question_language, passage_language, **count)
        for (question_language, passage_language), count in means.items()
    ]


def read_exposure(folder: TrialFolder) -> dict[Pair, Counts]:
    """What a trial's training saw, by pair of languages; nothing if an earlier version did not write it down."""
    file = folder.exposure
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return {
                (row["query_language"], row["passage_language"]): {
                    name: float(row[name]) if name in row else math.nan for name in COUNTED
                }
                for row in csv.DictReader(lines)
            }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise SweepError(f"{file} is damaged: study.rerun_damaged=true runs the trial again") from error
