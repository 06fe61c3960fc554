"""Files of a study after they were damaged: the same figures, a file that is made anew, or one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import SweepError
from sweep.evaluation.rank_file import read_ranking, write_ranking
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord, damaged_trials
from tests.fuzz.damage import damaged, refused, tries
from tests.unit.test_rank_file import PARALLEL, TIERS, assert_same
from tests.unit.test_trials_table import record


@contextmanager
def place() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


@tries(300)
@given(st.data())
def test_damaged_files_of_ranks(data: st.DataObject) -> None:
    with place() as folder:
        file = folder / "ranks.parquet"
        write_ranking(file, PARALLEL, TIERS)
        file.write_bytes(data.draw(damaged(file.read_bytes())))
        try:
            ranking, tiers = read_ranking(file)
        except SweepError as error:
            refused(error)
        else:
            assert_same(ranking, PARALLEL)
            assert tiers == TIERS


def study(folder: Path) -> tuple[StudyFolder, list[TrialRecord], bytes]:
    """A folder with three finished trials, their records, and their table."""
    made = StudyFolder(folder)
    records = [record(made, number) for number in range(3)]
    TrialsTable(made.trials_csv).update(records)
    return made, records, made.trials_csv.read_bytes()


@tries(150)
@given(st.data())
def test_damaged_tables_are_made_anew(data: st.DataObject) -> None:
    with place() as folder:
        made, records, whole = study(folder)
        made.trials_csv.write_bytes(data.draw(damaged(whole)))
        TrialsTable(made.trials_csv).update(records)
        assert made.trials_csv.read_bytes() == whole


@tries(150)
@given(st.sampled_from(["result.json", "metrics.json", "SHA256SUMS"]), st.data())
def test_damaged_results_are_named(name: str, data: st.DataObject) -> None:
    with place() as folder:
        made, records, _ = study(folder)
        file = made.trial(records[0].key).path / name
        whole = file.read_bytes()
        content = data.draw(damaged(whole))
        file.write_bytes(content)
        problems = damaged_trials(records)
        assert set(problems) <= {records[0].key}
        assert all("\n" not in problem for problem in problems.values())
        if name != "SHA256SUMS":  # of which only the lines count
            assert (content != whole) == bool(problems)
