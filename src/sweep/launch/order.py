"""What a worker is to work on."""

from dataclasses import dataclass
from pathlib import Path

from sweep.records.folder import StudyFolder


@dataclass(frozen=True)
class WorkOrder:
    """A worker's id, its study's folder, and what composes its settings.

    `scratch`: a folder on the worker's machine, where it keeps a study's files that does not share the folder of the
    driver; null: it shares it.
    """

    worker: str
    study_folder: str
    overrides: tuple[str, ...]
    config_dir: str | None
    scratch: str | None = None

    @property
    def folder(self) -> StudyFolder:
        """The study's folder as the worker has it."""
        shared = Path(self.study_folder)
        return StudyFolder(shared if self.scratch is None else Path(self.scratch).expanduser() / shared.name)
