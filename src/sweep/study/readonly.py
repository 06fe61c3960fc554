"""Looking at a study in a relational database without leaving a trace."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweep.settings import StudySettings
from sweep.study.internals import find_study, has_studies
from sweep.study.kinds import database_of
from sweep.study.patience import Patience
from sweep.study.storage import StudyMissing, StudyReader
from sweep.study.tables import StudyTables
from sweep.study.trials import StoredTrial


class RelationalReader(StudyReader):
    """Looks at a study, and creates nothing. Raises StudyMissing if there is no such study."""

    def __init__(self, file: Path, settings: StudySettings) -> None:
        self._database = database_of(file, settings)
        self.place = self._database.place
        self._patience = Patience(self.place, self._database.secret, settings.patience_s)
        try:
            study_id = self._patience(lambda: self._find(settings.name))
        except BaseException:
            self._database.close()
            raise
        self._tables = StudyTables(self._database.looking, study_id)

    def _find(self, name: str) -> int:
        with self._database.looking() as connection:
            study_id = find_study(connection, name) if has_studies(connection) else None
        if study_id is None:
            raise StudyMissing(f"its database {self.place} has no study '{name}'")
        return study_id

    def attributes(self) -> Mapping[str, Any]:
        """The study's own attributes."""
        return self._patience(self._tables.attributes)

    def trials(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key."""
        return self._patience(self._tables.by_key)

    def close(self) -> None:
        """End its connections."""
        self._database.close()
