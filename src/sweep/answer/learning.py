"""Learning curves: losses and figures on what was held out of training, step by step."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sweep.answer.contents import LearningCurve
from sweep.answer.points import PointRow, best_first
from sweep.answer.trial_ratio import ratio_of
from sweep.records.folder import TrialFolder
from sweep.records.series import read_series
from sweep.records.trial_record import TrialRecord
from sweep.settings import Objective

MOST_TRIALS = 60  # whose curves are shown
MOST_STEPS = 200  # of a curve
LOSS = "loss"

Series = tuple[NDArray[np.float64], NDArray[np.float64]]  # steps and values


def learning_curves(
    records: Sequence[TrialRecord], points: Sequence[PointRow], objective: Objective
) -> tuple[LearningCurve, ...]:
    """The curves of a study's trials, at most MOST_TRIALS of them: those of the best points (by the mean over
    seeds), then those that run, then those that were given up. Each is thinned to at most MOST_STEPS steps.

    Raises SweepError if a file of curves is damaged.
    """
    curves: list[LearningCurve] = []
    shown = 0
    for record in _in_order(records, points, objective):
        if shown == MOST_TRIALS:
            break
        if record.folder is not None:
            own = tuple(_curves(record, record.folder))
            shown += bool(own)
            curves += own
    return tuple(curves)


def _in_order(
    records: Sequence[TrialRecord], points: Sequence[PointRow], objective: Objective
) -> Iterator[TrialRecord]:
    for point in best_first(points, objective):
        yield from point.records
    for state in ("RUNNING", "PRUNED", "FAILED"):
        # A file is asked for of each of them: of thousands that never began only the newest are.
        ended = [record for record in records if record.state == state]
        yield from sorted(ended, key=lambda record: -record.number)[:MOST_TRIALS]


def _curves(record: TrialRecord, folder: TrialFolder) -> Iterator[LearningCurve]:
    losses, validations = read_series(folder.losses), read_series(folder.validations)
    series = {LOSS: (losses["step"], losses[LOSS])} if {"step", LOSS} <= losses.keys() else {}
    series |= {
        name: (validations["step"], values)
        for name, values in validations.items()
        if name not in ("step", "timestamp_ms") and "step" in validations
    }
    if not series:
        return
    ratio = ratio_of(record)
    for name, (step_n, value_n) in series.items():
        step_n, value_n = thinned(step_n, value_n)
        if len(step_n):
            steps, values = tuple(int(step) for step in step_n), tuple(float(value) for value in value_n)
            yield LearningCurve(record.key, ratio, record.seed, name, steps, values)


def thinned(step_n: NDArray[np.float64], value_n: NDArray[np.float64], most: int = MOST_STEPS) -> Series:
    """At most `most` steps: where there are more, the means of as many bins with equally many rows (or one more),
    each at its mean step, rounded. Values that are no finite numbers are left out."""
    is_finite_n = np.isfinite(value_n) & np.isfinite(step_n)
    step_n, value_n = step_n[is_finite_n], value_n[is_finite_n]
    if len(value_n) <= most:
        return step_n, value_n
    edges = np.linspace(0, len(value_n), most + 1).astype(np.int64)
    sizes = np.diff(edges)
    return (
        np.rint(np.add.reduceat(step_n, edges[:-1]) / sizes),
        np.add.reduceat(value_n, edges[:-1]) / sizes,
    )
