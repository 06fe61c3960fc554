"""Optuna's samplers by the names of `study.sampler`."""

import math
from collections.abc import Sequence
from zlib import crc32

from optuna import Study, samplers
from optuna.trial import FrozenTrial, TrialState

from sweep.settings import StudySettings
from sweep.study.internals import ReplayedCmaEs
from sweep.study.lattice import OnLattice


class CountedBruteForce(samplers.BruteForceSampler):
    """Brute force that leaves it to the study's target when to stop: Optuna's ends a loop that is not run here."""

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Nothing to do."""


def sampler_of(settings: StudySettings, number: int) -> samplers.BaseSampler:
    """The sampler for the point with this number (from 0), which draws from a lattice where a range has a step.

    Its seed is made of `search_seed` and the number, so a search that was interrupted draws what an uninterrupted
    one draws. TPE, GP and brute force know the points that other workers are at. Constraints reach TPE, GP and both
    NSGAs; CMA-ES and the others search without them.
    """
    return OnLattice(lambda path: _sampler_of(settings, _seed(settings, number, path)), settings)


def _sampler_of(settings: StudySettings, seed: int) -> samplers.BaseSampler:
    # A population has to fit into the search several times over, or it never comes to a second generation.
    population = max(4, min(50, (settings.points or 0) // 5))
    match settings.sampler:
        case "tpe":
            return samplers.TPESampler(seed=seed, n_startup_trials=_startup(settings), constant_liar=True)
        case "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=_startup(settings), warn_independent_sampling=False)
        case "cmaes":
            return ReplayedCmaEs(seed=seed, warn_independent_sampling=False)
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=population)
        case "nsga3":
            return samplers.NSGAIIISampler(seed=seed, population_size=population)
        case "brute_force":
            return CountedBruteForce(seed=seed)
        case "random":
            return samplers.RandomSampler(seed=seed)


def unseen_sampler(settings: StudySettings, number: int) -> samplers.BaseSampler:
    """Draws the point with this number at random, from those that were not drawn yet where they can be listed."""
    is_finite = all(math.isfinite(dimension.size) for dimension in settings.space.values())
    kind = CountedBruteForce if is_finite else samplers.RandomSampler
    return OnLattice(lambda path: kind(seed=_seed(settings, number, path)), settings)


def _seed(settings: StudySettings, number: int, path: str) -> int:
    return (settings.search_seed * 1_000_003 + number + crc32(path.encode())) % 2**31


def _startup(settings: StudySettings) -> int:
    """Points that are drawn at random before a model of the objective is worth asking: Optuna's 10, fewer in a
    short search."""
    return max(2, min(10, (settings.points or 0) // 4))
