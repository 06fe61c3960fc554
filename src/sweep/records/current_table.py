"""A study's table of trials as of now, for those who may not write to its folder."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sweep.records.folder import StudyFolder
from sweep.records.table import FINISHED, TrialsTable, is_current, seal_of
from sweep.records.trial_record import TrialRecord


@contextmanager
def current_table(folder: StudyFolder, records: Sequence[TrialRecord]) -> Iterator[Path]:
    """A file with the rows of all finished ones of `records`: the study's own trials.csv if it has them and is as it
    was written, or else one that is made of a copy, and removed afterwards.

    Raises SweepError if the result of a trial is damaged.
    """
    finished = [record for record in records if record.state in FINISHED]
    if is_current(folder.trials_csv, finished):
        yield folder.trials_csv
        return
    with tempfile.TemporaryDirectory(prefix="sweep.") as temporary:
        table = Path(temporary) / "trials.csv"
        if folder.trials_csv.exists():
            shutil.copyfile(folder.trials_csv, table)
            if seal_of(folder.trials_csv).exists():
                shutil.copyfile(seal_of(folder.trials_csv), seal_of(table))
        TrialsTable(table).update(records)
        yield table
