"""Whether a running trial is worth going on with, by its validations and those of the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from optuna import pruners

from sweep.records.folder import TrialFolder
from sweep.settings import StudySettings
from sweep.study.trials import StoredTrial


def pruner_of(settings: StudySettings) -> pruners.BasePruner:
    """Optuna's pruner; Wilcoxon's test is ours, since it needs the values of every question."""
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
    settings: StudySettings,
    own_q: NDArray[np.float64],
    step: int,
    finished: Sequence[tuple[StoredTrial, TrialFolder]],
) -> bool:
    """Wilcoxon's signed-rank test (Wilcoxon 1945), one-sided, of a trial's values by question (q) at a step against
    those of the best finished trial at the same step. Questions without a value in both are left out."""
    from scipy.stats import wilcoxon  # takes a second to import

    given, objective = settings.pruner, settings.objectives[0]
    if step <= given.warmup_steps or len(finished) < given.startup_trials:
        return False
    best = max(finished, key=lambda pair: objective.sign * pair[0].values[0], default=None)  # they are COMPLETE
    best_q = None if best is None else read_values(best[1].validation, step)
    if best_q is None or best_q.shape != own_q.shape:
        return False
    difference_q = objective.sign * (own_q - best_q)
    difference_q = difference_q[~np.isnan(difference_q)]
    if not np.any(difference_q):
        return False
    return bool(wilcoxon(difference_q, alternative="less", zero_method="zsplit").pvalue < given.p_threshold)


def write_values(folder: Path, step: int, value_q: NDArray[np.float64]) -> None:
    """Keep a validation's values by question."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{step}.npy"
    np.save(unfinished, value_q)
    unfinished.replace(folder / f"{step}.npy")


def read_values(folder: Path, step: int) -> NDArray[np.float64] | None:
    """The values by question of a validation, or None."""
    try:
        values: NDArray[np.float64] = np.load(folder / f"{step}.npy", allow_pickle=False)
    except FileNotFoundError:
        return None
    return values
