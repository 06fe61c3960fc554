"""A sampler whose draws can be repeated one by one, and lie on the lattice of a range with a step, exactly.

Optuna computes low + k * step, which is .30000000000000004 for the fourth point of [0, 1] with step .1: another value
than .3, for people as for whoever compares points.
"""

from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from sweep.settings import StudySettings


class OnLattice(BaseSampler):
    """Another sampler, with its draws moved to the nearest point of the lattice.

    `make` gives that sampler, seeded for a path; for the empty path, what draws several paths together. So what is
    drawn of a path does not depend on what was drawn before it, and a point that a kill left half drawn goes on as it
    would have done.
    """

    def __init__(self, make: Callable[[str], BaseSampler], settings: StudySettings) -> None:
        self._make = make
        self._sampler = make("")
        self._space = settings.space

    def _moved(self, path: str, value: Any) -> Any:
        return self._space[path].on_lattice(value) if path in self._space else value

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See BaseSampler."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See BaseSampler."""
        drawn = self._sampler.sample_relative(study, trial, search_space)
        return {path: self._moved(path, value) for path, value in drawn.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See BaseSampler."""
        sampler = self._make(param_name)
        return self._moved(param_name, sampler.sample_independent(study, trial, param_name, param_distribution))

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """See BaseSampler."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """See BaseSampler."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """See BaseSampler."""
        self._sampler.reseed_rng()
