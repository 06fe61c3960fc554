"""Which of the trials that other machines have ended are in this machine's folder of the study."""

from collections.abc import Iterable

from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import has_arrived
from sweep.study.trials import StoredTrial


class Arrivals:
    """Looks at the files of each ended trial until they are here, and then no more."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder
        self._here: set[tuple[int, int]] = set()  # number of the trial, and attempt

    def missing(self, trials: Iterable[StoredTrial]) -> list[StoredTrial]:
        """Those of the ended trials that were left elsewhere, and are not here."""
        return [trial for trial in trials if trial.has_ended and not self._is_here(trial)]

    def _is_here(self, trial: StoredTrial) -> bool:
        recorded = trial.artifacts
        if recorded is None:
            return True
        entry = trial.number, int(recorded["attempt"])
        if entry not in self._here:
            if not has_arrived(self._folder.trial(trial.key), recorded, trial.state == "COMPLETE"):
                return False
            self._here.add(entry)
        return True
