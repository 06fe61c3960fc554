"""Training sets in the cache: read once from their files, and mapped by all trials, workers and commands."""

import hashlib
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from sweep.data.corpus_build import build
from sweep.data.file_states import file_states
from sweep.data.training_row import TrainingRows
from sweep.data.training_set import TrainingSet, opened
from sweep.errors import InputError
from sweep.records.files import replacing_folder
from sweep.settings import DataSettings

# Part of the folder's name: a change to the layout, to what a reader gives, or of the splitter makes old ones unused.
VERSIONS = ("1", version("sentencex"))
REPORT_S = 5.0

log = logging.getLogger("sweep")


def kept_training_set(
    rows: TrainingRows, languages: tuple[str, ...], settings: DataSettings, cache: Path
) -> TrainingSet:
    """The training set of these files (path, size and time of change) as `settings` has them read, in the cache.

    Safe when several processes ask for it at once: one reads, the others wait. A build that is killed leaves nothing
    that counts, and a damaged one is made again. Raises InputError for what cannot be read, and for a file that
    changes meanwhile.
    """
    states = file_states(rows.files)
    key = repr((VERSIONS, languages, settings.model_dump_json(), states))
    folder = cache / "corpora" / hashlib.sha256(key.encode()).hexdigest()[:24]
    kept = opened(folder)
    if kept is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            kept = opened(folder)  # another process may have made it meanwhile
            if kept is None:
                if folder.exists():
                    log.warning("the training data in %s are damaged; reading them again", folder)
                with replacing_folder(folder) as draft:
                    build(rows, languages, draft, _Report(rows.title))
                    if file_states(rows.files) != states:
                        raise InputError(f"{rows.title}: its files changed while they were read; run again")
                kept = opened(folder)
    assert kept is not None
    return kept


class _Report:
    """How far the reading is, for whoever waits for it: a line on stderr every few seconds."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._next = time.monotonic() + REPORT_S

    def __call__(self, rows: int) -> None:
        if time.monotonic() >= self._next:
            print(f"reading {self._title}: {rows:,} rows", file=sys.stderr, flush=True)
            self._next = time.monotonic() + REPORT_S
