"""Whether a running trial is worth going on with, by its validations and those of the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from optuna import pruners

from sweep.records.folder import StudyFolder
from sweep.settings import StudySettings
from sweep.statistics.looks import is_worse, share_of_look
from sweep.statistics.moderated import pooled_within
from sweep.study.trials import StoredTrial


def pruner_of(settings: StudySettings) -> pruners.BasePruner:
    """Optuna's pruner; Wilcoxon's test is ours, since it needs what every translation group contributes."""
    given = settings.pruner
    # Optuna judges the last step of its warm-up already.
    waits = {"n_startup_trials": given.startup_trials, "n_warmup_steps": given.warmup_steps + 1}
    match given.kind:
        case "median":
            return pruners.MedianPruner(**waits)
        case "percentile":
            return pruners.PercentilePruner(given.percentile, **waits)
        case "asha":
            return pruners.SuccessiveHalvingPruner(
                min_resource=given.min_resource, reduction_factor=given.reduction_factor
            )
        case "hyperband":
            return pruners.HyperbandPruner(
                min_resource=given.min_resource,
                max_resource=given.max_resource or given.min_resource,
                reduction_factor=given.reduction_factor,
            )
        case "none" | "wilcoxon":
            return pruners.NopPruner()


def is_clearly_worse(
    settings: StudySettings, folder: StudyFolder, own: StoredTrial, step: int, finished: Sequence[StoredTrial]
) -> bool:
    """Whether a running trial is worse than the best finished one at the same step, by two tests that must agree.

    Wilcoxon's signed-rank test (Wilcoxon 1945), one-sided, over translation groups: could other questions have told
    them apart the other way round? And Student's t of the gap between them: could other seeds? For that some point
    must have finished several; until then nothing is pruned. A trial that is as good as the best is pruned in at most
    `p_threshold` of cases, whatever the number of its validations and of the finished trials (docs/statistics.md).
    """
    given, objective = settings.pruner, settings.objectives[0]
    if step <= given.warmup_steps or len(finished) < given.startup_trials:
        return False
    own_g = read_values(folder.trial(own.key).validation, step)
    value_g: dict[str, NDArray[np.float64]] = {}
    for trial in finished:
        other_g = read_values(folder.trial(trial.key).validation, step)
        if own_g is not None and other_g is not None and other_g.shape == own_g.shape:
            value_g[trial.key] = other_g
    rivals = [trial for trial in finished if trial.key in value_g]
    if own_g is None or not rivals:
        return False
    best = max(rivals, key=lambda trial: objective.sign * trial.values[0])  # they are COMPLETE
    difference_g = objective.sign * (own_g - value_g[best.key])
    looks = sum(validated > given.warmup_steps for validated in own.validated if validated <= step)
    level = given.p_threshold * share_of_look(max(1, looks)) / len(rivals)
    points: dict[str, list[float]] = {}
    for trial in rivals:
        points.setdefault(trial.point.without_seed, []).append(float(value_g[trial.key].mean()))
    seeds = pooled_within(points.values())
    return seeds is not None and is_worse(difference_g, level, seeds)


def write_values(folder: Path, step: int, value_g: NDArray[np.float64]) -> None:
    """Keep what each translation group contributed to a validation's figure (g)."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{step}.npy"
    np.save(unfinished, value_g)
    unfinished.replace(folder / f"{step}.npy")


def read_values(folder: Path, step: int) -> NDArray[np.float64] | None:
    """What each translation group contributed to a validation's figure (g), or None."""
    try:
        values: NDArray[np.float64] = np.load(folder / f"{step}.npy", allow_pickle=False)
    except FileNotFoundError:
        return None
    return values
