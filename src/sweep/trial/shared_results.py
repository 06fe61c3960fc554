"""Results of other machines' trials, where a worker's decisions need them."""

from dataclasses import dataclass
from typing import Self

from sweep.records.study_artifacts import StudyArtifacts
from sweep.study.store import StudyStore
from sweep.study.view import StudyView


@dataclass(frozen=True, eq=False)
class SharedResults:
    """A study's artifacts, and a view that tells which of its trials are not here."""

    artifacts: StudyArtifacts
    view: StudyView

    @classmethod
    def of(cls, store: StudyStore) -> Self | None:
        """Those of a study; None if its machines share the sweeps folder."""
        artifacts = StudyArtifacts.of(store.settings, store.folder, store.view.uid)
        return None if artifacts is None else cls(artifacts, store.view)

    def bring(self) -> None:
        """Have the results of all COMPLETE trials here. Raises ArtifactsUnusable."""
        for trial in self.view.missing():
            if trial.state == "COMPLETE" and trial.artifacts is not None:
                self.artifacts.take_result(trial.key, trial.artifacts)
