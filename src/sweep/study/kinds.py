"""The kinds of database that a study's settings may name."""

from pathlib import Path

from sweep.settings import StudySettings
from sweep.study.database import Database
from sweep.study.postgresql import PostgresqlDatabase
from sweep.study.sqlite import SqliteDatabase


def database_of(file: Path, settings: StudySettings) -> Database:
    """The database of a study: this SQLite file, or a PostgreSQL server if `settings.storage` names one."""
    return SqliteDatabase(file) if settings.storage is None else PostgresqlDatabase(settings.storage)
