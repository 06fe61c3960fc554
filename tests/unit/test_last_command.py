"""The command that a study was last run with."""

from pathlib import Path

from sweep.records.folder import StudyFolder
from sweep.records.last_command import read_command, write_command


def test_a_command_is_kept_and_replaced(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    assert read_command(folder) is None
    for command in ("python -m sweep study.name=a", "python -m sweep study.name=ä 'x=[1, 2]'"):
        write_command(folder, command)
        assert read_command(folder) == command


def test_a_password_is_not_kept(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    write_command(folder, "python -m sweep study.storage=postgresql://me:hunter2@db/studies")
    assert "hunter2" not in (tmp_path / "command.txt").read_text()
    assert "python -m sweep" in str(read_command(folder))
