"""Files and folders that are replaced as a whole or not at all."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

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


@pytest.mark.parametrize(("umask", "wanted"), [(0o077, 0o600), (0o027, 0o640), (0o022, 0o644), (0o002, 0o664)])
def test_the_umask_decides_about_permissions(umask: int, wanted: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    weights = {"w": np.zeros(2, np.float32)}
    try:
        write_atomically(tmp_path / "text", "")
        with replacing_file(tmp_path / "weights") as draft:
            save_file(weights, draft)  # which writes for its owner alone
        with replacing_folder(tmp_path / "model") as folder:
            (folder / "more").mkdir()
            for name in ("weights", "more/weights"):
                save_file(weights, folder / name)
            (folder / "text").write_text("")
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*") if file.is_file()}
    assert set(modes.values()) == {wanted}
    assert len(modes) == 2


def test_what_a_killed_sole_writer_left_is_replaced(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "figures.json", tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    (tmp_path / f".{file.name}.0123.draft").symlink_to(elsewhere)  # the link goes, what it points to stays
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
