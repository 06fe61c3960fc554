"""`study.seed_policy=stop_when_worse`: a point that is clearly worse than the best runs no more seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from sweep.records.folder import StudyFolder
from sweep.settings import StudySettings
from sweep.settings.metric_key import Half, MetricKey
from sweep.study.point import Point
from sweep.study.trials import StoredTrial

MOST_PEERS = 8  # of the best points, whose ranks are read: for the variance between seeds more would add little


@dataclass(frozen=True)
class Verdict:
    """What is to become of a waiting trial: `go`, `wait` for the point's earlier seeds, or stop for `reason`."""

    go: bool
    reason: str | None = None


def judge(
    settings: StudySettings,
    trial: Point,
    known: Mapping[str, StoredTrial],
    feasible: Sequence[StoredTrial],
    folder: StudyFolder,
) -> Verdict:
    """Whether a waiting trial is worth running, by the trials of its point's earlier seeds.

    `known` are all trials by key, `feasible` those that a best point may have. The test is that of
    docs/statistics.md: against the best of the points with the same seeds, corrected for their number and for looking
    after every seed. An equal point is given up in at most `worse_p` of cases; after one seed none is.
    """
    earlier = settings.seeds[: settings.seeds.index(trial.seed)]
    own = [known.get(Point(trial.values, seed).key) for seed in earlier]
    if any(other is None or not other.has_ended for other in own):
        return Verdict(go=False)
    complete = [other for other in own if other is not None and other.state == "COMPLETE"]
    if not complete:
        return Verdict(go=True)
    if len(complete) < 2:  # one seed knows nothing of the others
        return Verdict(go=True)
    rivals = _rivals(settings, complete, known, feasible)
    reason = _clearly_worse(settings, complete, rivals, folder)
    return Verdict(go=reason is None, reason=reason)


def _rivals(
    settings: StudySettings,
    own: Sequence[StoredTrial],
    known: Mapping[str, StoredTrial],
    feasible: Sequence[StoredTrial],
) -> list[list[StoredTrial]]:
    """The trials of every other point that has these seeds, the one with the best mean over them first."""
    points = {trial.point.without_seed: trial.point.values for trial in feasible}
    points.pop(own[0].point.without_seed, None)
    rivals = []
    for values in points.values():
        replicates = [known.get(Point(values, trial.point.seed).key) for trial in own]
        trials = [trial for trial in replicates if trial is not None and trial.state == "COMPLETE"]
        if len(trials) == len(own):
            rivals.append(trials)
    return sorted(rivals, key=lambda trials: -_mean(settings, trials))


def _mean(settings: StudySettings, trials: Sequence[StoredTrial]) -> float:
    """The mean objective of COMPLETE trials, with the sign that makes larger better."""
    return settings.objectives[0].sign * fmean(trial.values[0] for trial in trials)


def _clearly_worse(
    settings: StudySettings,
    own: Sequence[StoredTrial],
    rivals: Sequence[Sequence[StoredTrial]],
    folder: StudyFolder,
) -> str | None:
    """The reason to stop, or None."""
    if not rivals or _mean(settings, own) >= _mean(settings, rivals[0]):
        return None
    points = [own, *rivals[:MOST_PEERS]]
    objective = settings.objectives[0]
    benchmark = MetricKey.parse(objective.metric).benchmark
    files = [[folder.trial(trial.key).ranks_of(benchmark) for trial in trials] for trials in points]
    if not all(file.exists() for listed in files for file in listed):
        return None  # a trial without ranks (an earlier version's, say) proves nothing
    from sweep.statistics.looks import p_worse

    half: Half | None = "select" if settings.selects_on_half else None
    own_sg, *rival_sg = (objective.sign * _values(objective.metric, half, *map(_stamped, listed)) for listed in files)
    p = p_worse(own_sg, rival_sg, len(rivals), len(settings.seeds))
    if p >= settings.worse_p:
        return None
    point = rivals[0][0].point
    against = point.key.removesuffix(f",seed={point.seed}")
    return f"not run: after {len(own)} of {len(settings.seeds)} seeds worse than {against} (p = {p:.4f})"


def _stamped(file: Path) -> tuple[Path, int]:
    """A file and when it was last written."""
    return file, file.stat().st_mtime_ns


@lru_cache(maxsize=256)
def _values(metric: str, half: Half | None, *files: tuple[Path, int]) -> NDArray[np.float64]:
    """What the translation groups (of a half of the questions) contribute with each seed (s, g). Every claim asks for
    those of the best points."""
    from sweep.evaluation.comparison import load_system  # imports the evaluation: seconds

    return load_system("", [file for file, _ in files], half=half).values_sg(metric)
