"""SQLite files that are there as a whole or not at all, and their URIs.

A library creates its tables one by one, and whoever is killed meanwhile leaves a file that it can neither use nor
finish. So they are created under another name, and the file is renamed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from sweep.records.files import replacing_file

LOGS = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file while it is written


@contextmanager
def replacing_database(file: Path) -> Iterator[Path]:
    """A path to write a database to, which takes the place of `file` at the end: `replacing_file` for a sole writer,
    without logs of a database that was there before. SQLite would apply them to this one."""
    with replacing_file(file, sole_writer=True) as draft:
        yield draft
        for log in LOGS:
            Path(f"{file}{log}").unlink(missing_ok=True)


def sqlite_uri(file: Path) -> str:
    """The URI of a database file, whatever characters its path has.

    MLflow makes the folder of what follows `sqlite:///`, as if nothing could be quoted there; under the driver's name
    it makes none.
    """
    plain = f"sqlite:///{file}"
    quoted = URL.create("sqlite+pysqlite", database=str(file)).render_as_string(hide_password=False)
    return plain if plain.removeprefix("sqlite") == quoted.removeprefix("sqlite+pysqlite") else quoted
