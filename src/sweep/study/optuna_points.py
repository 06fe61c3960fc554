"""The study of points in a relational database: an Optuna study of its own, `<name>.points`."""

from collections.abc import Callable, Sequence

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from sweep.settings import StudySettings
from sweep.study.database import Database
from sweep.study.internals import resumed_trial
from sweep.study.storage import SearchedPoints, TrialStorage


class PointStudy(SearchedPoints):
    """The points of the study in `storage`, in the same `database`, through Optuna's storage `kept`.

    `current_change` names the change that this thread is in, differently each time, or gives None outside of one:
    what is read inside a change stays true until it is changed there.
    """

    def __init__(
        self,
        storage: TrialStorage,
        settings: StudySettings,
        database: Database,
        kept: optuna.storages.BaseStorage,
        current_change: Callable[[], object | None],
    ) -> None:
        self._current_change = current_change
        self._database = database
        self._optuna = kept
        self._name = f"{settings.name}.points"
        directions = [objective.direction for objective in settings.objectives]

        def begin() -> int:
            optuna.create_study(study_name=self._name, storage=kept, directions=directions, load_if_exists=True)
            return kept.get_study_id_from_name(self._name)

        self._study_id = storage.patiently(self._find) or storage.change(begin)
        # Read under the lock in this change of it, and not changed since.
        self._known: tuple[object | None, Sequence[FrozenTrial]] = None, []

    def _find(self) -> int | None:
        try:
            return self._optuna.get_study_id_from_name(self._name)
        except KeyError:
            return None

    def trials(self) -> Sequence[FrozenTrial]:
        """All of them; read once in a change, and again after `study` gave them away to be changed."""
        change = self._current_change()
        if change is None or self._known[0] is not change:
            with self._database.only_reading():
                self._known = change, self._optuna.get_all_trials(self._study_id, deepcopy=False)
        return self._known[1]

    def study(self, sampler: BaseSampler) -> optuna.Study:
        """The study of points with this sampler."""
        self._known = None, []
        return optuna.load_study(study_name=self._name, storage=self._optuna, sampler=sampler)

    def resumed(self, study: optuna.Study, trial: FrozenTrial) -> Trial:
        """A point that can be changed again."""
        return resumed_trial(study, trial)
