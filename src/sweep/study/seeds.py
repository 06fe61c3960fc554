"""`study.seed_policy=stop_when_worse`: a point that is clearly worse than the best runs no more seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sweep.records.folder import StudyFolder
from sweep.settings import StudySettings
from sweep.study.point import Point
from sweep.study.trials import StoredTrial


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
    docs/metrics.md, "Uncertainty": paired by translation group, against the point with the best mean over the same
    seeds.
    """
    earlier = settings.seeds[: settings.seeds.index(trial.seed)]
    own = [known.get(Point(trial.values, seed).key) for seed in earlier]
    if any(other is None or not other.has_ended for other in own):
        return Verdict(go=False)
    complete = [other for other in own if other is not None and other.state == "COMPLETE"]
    if not complete:
        return Verdict(go=True)
    seeds = [other.point.seed for other in complete]
    best = _best(settings, seeds, known, feasible)
    if best is None or best[0].key == complete[0].key:
        return Verdict(go=True)
    reason = _clearly_worse(settings, best, complete, folder)
    return Verdict(go=reason is None, reason=reason)


def _best(
    settings: StudySettings,
    seeds: Sequence[int],
    known: Mapping[str, StoredTrial],
    feasible: Sequence[StoredTrial],
) -> list[StoredTrial] | None:
    """The trials with these seeds of the point whose mean over them is best."""
    points = {}
    for trial in feasible:
        points[trial.point.without_seed] = trial.point.values
    best: list[StoredTrial] | None = None
    for values in points.values():
        replicates = [known.get(Point(values, seed).key) for seed in seeds]
        trials = [trial for trial in replicates if trial is not None and trial.state == "COMPLETE"]
        if len(trials) == len(seeds) and (best is None or _mean(settings, trials) > _mean(settings, best)):
            best = trials
    return best


def _mean(settings: StudySettings, trials: Sequence[StoredTrial]) -> float:
    """The mean objective of COMPLETE trials, with the sign that makes larger better."""
    return settings.objectives[0].sign * fmean(trial.values[0] for trial in trials)


def _clearly_worse(
    settings: StudySettings,
    best: Sequence[StoredTrial],
    own: Sequence[StoredTrial],
    folder: StudyFolder,
) -> str | None:
    """The reason to stop, or None."""
    from sweep.evaluation.comparison import load_system, paired_test  # imports the evaluation: seconds

    if _mean(settings, own) >= _mean(settings, best):
        return None
    files = [[folder.trial(trial.key).ranks for trial in trials] for trials in (best, own)]
    if not all(file.exists() for listed in files for file in listed):
        return None  # a trial without ranks (an earlier version's, say) proves nothing
    reference, other = load_system("best", files[0]), load_system("own", files[1])
    _, p = paired_test(reference, other, settings.objectives[0].metric)
    if p >= settings.worse_p:
        return None
    point = best[0].point
    against = point.key.removesuffix(f",seed={point.seed}")
    return f"not run: after {len(own)} of {len(settings.seeds)} seeds worse than {against} (p = {p:.4f})"
