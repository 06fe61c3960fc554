"""Files and folders that are replaced as a whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from sweep.records.files import draft_of, replacing_file, replacing_folder, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_at_the_end_and_not_before(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "figures.json"
    write_atomically(file, "old")
    with replacing_file(file) as draft:
        draft.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert names(file.parent) == ["figures.json"]


@pytest.mark.parametrize("sole_writer", [False, True])
def test_an_error_leaves_the_old_file_and_no_draft(tmp_path: Path, sole_writer: bool) -> None:
    file = tmp_path / "figures.json"
    file.write_text("old")

    def write_half() -> None:
        with replacing_file(file, sole_writer) as draft:
            draft.write_text("ne")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_half()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["figures.json"]


def test_a_file_that_was_never_written_replaces_nothing(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text("old")
    with pytest.raises(FileNotFoundError):
        with replacing_file(file):
            pass
    assert file.read_text() == "old"


def test_text_keeps_its_line_ends_and_is_utf_8(tmp_path: Path) -> None:
    write_atomically(tmp_path / "text", "Füße\r\nund\n")
    assert (tmp_path / "text").read_bytes() == "Füße\r\nund\n".encode()


def test_the_umask_decides_about_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "text", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "text").stat().st_mode) == 0o640


def test_what_a_killed_sole_writer_left_is_replaced(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "figures.json", tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    draft_of(file).symlink_to(elsewhere)  # the link goes, what it points to stays
    with replacing_file(file, sole_writer=True) as draft:
        draft.write_text("new")
    assert (file.read_text(), elsewhere.read_text()) == ("new", "not ours")
    assert names(tmp_path) == ["elsewhere", "figures.json"]


def test_a_name_of_255_bytes_can_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / ("é" * 127)
    write_atomically(file, "1")
    assert names(tmp_path) == [file.name]


def test_a_folder_is_replaced_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for version in ("old", "new"):
        draft_of(folder).mkdir()
        (draft_of(folder) / "left by a killed writer").touch()
        with replacing_folder(folder) as draft:
            (draft / "inner").mkdir()
            (draft / "inner" / version).touch()
    assert names(folder) == ["inner"]
    assert names(folder / "inner") == ["new"]
    assert names(tmp_path) == ["model"]


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with replacing_folder(folder) as draft:
        (draft / "old").touch()

    def write_half() -> None:
        with replacing_folder(folder) as draft:
            (draft / "new").touch()
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_half()
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["model"]
