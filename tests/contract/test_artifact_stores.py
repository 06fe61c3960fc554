"""What every place of artifacts has to do: a folder, and a server that speaks S3."""

import errno
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.waiting import SECONDS, until

from sweep.errors import ArtifactsUnusable, InputError
from sweep.records.archive import pack, unpack
from sweep.records.artifact_store import ArtifactStore
from sweep.settings.artifacts import ArtifactsUrl

KINDS = ("file", "s3")


class Place:
    """A place that can be away. `url` is what a study is given."""

    url: str

    def go(self) -> None:
        """Be away from now on."""

    def come_back(self) -> None:
        """Be there again, with all that was there."""

    def close(self) -> None:
        """End what was started for it."""


class FolderPlace(Place):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"file://{folder}"

    def go(self) -> None:
        self.folder.rename(self.folder.with_name("elsewhere"))

    def come_back(self) -> None:
        self.folder.with_name("elsewhere").rename(self.folder)


class S3Place(Place):
    """moto's server, a process' thread that answers as S3 does. What it has is in memory and outlives the server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("s3fs")
        server = pytest.importorskip("moto.server")
        self._make = server.ThreadedMotoServer
        self._server = self._make(ip_address="127.0.0.1", port=0)
        self._server.start()
        host, self._port = self._server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{self._port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        import boto3

        boto3.client("s3").create_bucket(Bucket="sweeps")
        self.url = "s3://sweeps/some/folder"

    def go(self) -> None:
        self._server.stop()

    def come_back(self) -> None:
        self._server = self._make(ip_address="127.0.0.1", port=self._port)
        self._server.start()

    def close(self) -> None:
        self._server.stop()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = FolderPlace(tmp_path / "place") if request.param == "file" else S3Place(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def store(place: Place) -> ArtifactStore:
    made = ArtifactStore(ArtifactsUrl(place.url), "study-1", SECONDS)
    made.check()
    return made


def some_folder(path: Path, text: str = "first") -> Path:
    (path / "inner").mkdir(parents=True)
    (path / "a.txt").write_text(text)
    (path / "inner" / "b.bin").write_bytes(os.urandom(300_000))
    (path / "empty").mkdir()  # a part of a model that has no weights
    (path / "checkpoint").mkdir()
    (path / "checkpoint" / "large").write_text("not needed")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_comes_back_as_it_was(store: ArtifactStore, tmp_path: Path) -> None:
    folder = some_folder(tmp_path / "trial")
    os.utime(folder / "a.txt", (1_000_000_000, 1_000_000_000))
    store.put_folder("results/a.1.tar", folder, without=("checkpoint",))
    assert store.get_folder("results/a.1.tar", tmp_path / "copy" / "trial")
    wanted = {name: content for name, content in contents(folder).items() if not name.startswith("checkpoint")}
    assert contents(tmp_path / "copy" / "trial") == wanted
    assert (tmp_path / "copy" / "trial" / "empty").is_dir()
    assert (tmp_path / "copy" / "trial" / "a.txt").stat().st_mtime == 1_000_000_000
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["trial"]  # no drafts


def test_what_is_gotten_takes_the_place_of_what_was_there(store: ArtifactStore, tmp_path: Path) -> None:
    store.put_folder("a.tar", some_folder(tmp_path / "one", "first"))
    store.put_folder("a.tar", some_folder(tmp_path / "two", "second"))
    target = some_folder(tmp_path / "target", "old")
    (target / "stray.txt").write_text("of another attempt")
    assert store.get_folder("a.tar", target)
    assert contents(target) == contents(tmp_path / "two")


def test_what_is_not_there_is_not_there(store: ArtifactStore, tmp_path: Path) -> None:
    assert not store.get_folder("nothing.tar", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert store.get("nothing") is None
    assert store.names("nothing/") == []
    store.delete(["nothing"])


def test_names_are_those_of_one_folder_of_one_study(place: Place, store: ArtifactStore) -> None:
    other = ArtifactStore(ArtifactsUrl(place.url), "study-10", SECONDS)
    other.check()
    for name in ("checkpoints/a=1,seed=0/step-2.1.tar", "checkpoints/a=1,seed=0/step-1.1.tar", "results/a=1.tar"):
        store.put(name, b"1")
    store.put("checkpoints/a=1,seed=01/step-1.1.tar", b"1")
    other.put("checkpoints/a=1,seed=0/step-3.1.tar", b"1")
    assert store.names("checkpoints/a=1,seed=0/") == [
        "checkpoints/a=1,seed=0/step-1.1.tar",
        "checkpoints/a=1,seed=0/step-2.1.tar",
    ]
    store.delete(["checkpoints/a=1,seed=0/step-1.1.tar"])
    assert store.names("checkpoints/a=1,seed=0/") == ["checkpoints/a=1,seed=0/step-2.1.tar"]
    assert other.names("checkpoints/a=1,seed=0/") == ["checkpoints/a=1,seed=0/step-3.1.tar"]


def test_an_absence_is_waited_for_and_noticed_once(place: Place, store: ArtifactStore, tmp_path: Path) -> None:
    folder = some_folder(tmp_path / "trial")
    store.put_folder("a.tar", folder)
    lines: list[str] = []
    patient = ArtifactStore(ArtifactsUrl(place.url), "study-1", SECONDS, lines.append)
    place.go()
    done: dict[str, object] = {}

    def use() -> None:
        done["get"] = patient.get_folder("a.tar", tmp_path / "copy")
        patient.put("b", b"kept")
        done["names"] = patient.names("")

    thread = threading.Thread(target=use)
    thread.start()
    until(lambda: lines)
    assert not done
    place.come_back()
    thread.join(SECONDS)
    assert done["get"]
    assert {"a.tar", "b"} <= set(done["names"])  # type: ignore[call-overload]
    assert contents(tmp_path / "copy") == contents(folder)
    assert [line.rpartition(" are ")[2].partition(" ")[0] for line in lines] == ["away", "back"]


def test_an_absence_of_hours_is_two_lines_however_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They give up, and begin anew."""
    monkeypatch.setattr("sweep.records.absence.NOTICE_S", 0.3)
    place, lines = FolderPlace(tmp_path / "place"), list[str]()
    store = ArtifactStore(ArtifactsUrl(place.url), "study-1", 1, lines.append)
    store.check()
    place.go()
    given_up: list[int] = []

    def use(who: int) -> None:
        while True:
            try:
                store.until(lambda: False).get("a")
            except ArtifactsUnusable:
                given_up.append(who)
                continue
            return

    threads = [threading.Thread(target=use, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: lines and min(map(given_up.count, range(3))) > 1)
    place.come_back()
    for thread in threads:
        thread.join(SECONDS)
    assert [line.rpartition(" are ")[2].partition(" ")[0] for line in lines] == ["away", "back"]


def test_patience_ends(place: Place, store: ArtifactStore, tmp_path: Path) -> None:
    impatient = ArtifactStore(ArtifactsUrl(place.url), "study-1", 0.5, lambda _: None)
    place.go()
    with pytest.raises(ArtifactsUnusable, match="nothing is lost"):
        impatient.get("a")
    assert not (tmp_path / "place").exists()  # a folder that is away is not made anew
    place.come_back()


def test_an_empty_folder_where_a_place_is_not_mounted_is_no_place(tmp_path: Path) -> None:
    """A result that is written there is on a disk of this machine, and hidden when the file system is there again."""
    store = ArtifactStore(ArtifactsUrl(f"file://{tmp_path}/place"), "study-1", 0.5, lambda _: None)
    store.check()
    (tmp_path / "place").rename(tmp_path / "unmounted")
    (tmp_path / "place").mkdir()
    with pytest.raises(ArtifactsUnusable):
        store.put("a", b"1")
    with pytest.raises(ArtifactsUnusable):
        store.get("a")
    assert list((tmp_path / "place").iterdir()) == []


def test_drafts_of_killed_writers_go_when_they_are_old(tmp_path: Path) -> None:
    store = ArtifactStore(ArtifactsUrl(f"file://{tmp_path}/place"), "study-1", 5)
    store.check()
    old, young = (tmp_path / "place" / "study-1" / "results" / f"a.1.tar.{name}.draft" for name in ("old", "young"))
    store.put("results/a.1.tar", b"1")
    for draft in (old, young):
        draft.touch()
    os.utime(old, (1_000_000_000, 1_000_000_000))
    store.delete_drafts()
    assert (old.exists(), young.exists(), store.names("results/")) == (False, True, ["results/a.1.tar"])


def test_somebody_who_gives_up_waits_no_longer(place: Place, store: ArtifactStore) -> None:
    given_up = threading.Event()
    store = store.until(given_up.is_set)
    place.go()
    threading.Timer(0.5, given_up.set).start()
    began = time.monotonic()
    with pytest.raises(ArtifactsUnusable):
        store.get("a")
    assert time.monotonic() - began < SECONDS / 2  # of the patience
    place.come_back()


def test_a_damaged_object_is_no_folder(store: ArtifactStore, tmp_path: Path) -> None:
    folder = some_folder(tmp_path / "trial")
    archive = tmp_path / "archive"
    pack(folder, archive)
    store.put("a.tar", archive.read_bytes()[:150_000])
    kept = some_folder(tmp_path / "kept", "old")
    before = contents(kept)
    with pytest.raises(ArtifactsUnusable, match=r"a\.tar.*damaged|cut short"):
        store.get_folder("a.tar", kept)
    assert contents(kept) == before


def test_an_archive_that_is_cut_between_two_files_is_damaged(tmp_path: Path) -> None:
    """What is missing at its end is not missed by its reader."""
    folder, archive = tmp_path / "trial", tmp_path / "archive"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(os.urandom(tarfile.BLOCKSIZE))
    pack(folder, archive)
    with tarfile.open(archive) as tar:
        second = tar.getmembers()[1]
    archive.write_bytes(archive.read_bytes()[: second.offset])
    with pytest.raises(ArtifactsUnusable, match="damaged"):
        unpack(archive, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_links_are_packed_as_files(tmp_path: Path) -> None:
    """A user may have moved a file to another disk; tools that save disk space link equal files."""
    folder, elsewhere = tmp_path / "trial", tmp_path / "other disk"
    folder.mkdir()
    elsewhere.write_text("moved")
    (folder / "moved").symlink_to(elsewhere)
    (folder / "one").write_text("equal")
    os.link(folder / "one", folder / "two")
    pack(folder, tmp_path / "archive")
    unpack(tmp_path / "archive", tmp_path / "copy")
    assert contents(tmp_path / "copy") == {"moved": b"moved", "one": b"equal", "two": b"equal"}
    assert not (tmp_path / "copy" / "moved").is_symlink()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "inner/../../outside"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    file = tmp_path / "evil"
    file.write_text("evil")
    with tarfile.open(tmp_path / "archive", "w") as tar:
        member = tar.gettarinfo(file)
        member.name = name
        with file.open("rb") as content:
            tar.addfile(member, content)
    with pytest.raises(ArtifactsUnusable, match="no file within"):
        unpack(tmp_path / "archive", tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "evil"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_has_files_alone(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as tar:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ArtifactsUnusable, match="no file within"):
        unpack(tmp_path / "archive", tmp_path / "folder")


def refusal(url: str) -> str:
    with pytest.raises(InputError) as caught:
        ArtifactStore(ArtifactsUrl(url), "study", SECONDS).check()
    return str(caught.value)


def test_a_bucket_that_is_not_there_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    place = S3Place(monkeypatch)
    try:
        began = time.monotonic()
        assert "s3://nobody-has-this" in refusal("s3://nobody-has-this/folder")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", "/nowhere")
        assert "credentials" in refusal(place.url)
        assert time.monotonic() - began < SECONDS / 2  # it is not waited for
    finally:
        place.close()


def test_a_file_in_the_way_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert f"file://{tmp_path}/file" in refusal(f"file://{tmp_path}/file/folder")


def test_a_missing_package_is_named() -> None:
    if find_spec("adlfs") is not None:
        pytest.skip("adlfs is installed")
    assert "pip install adlfs" in refusal("az://container/folder")


def test_a_full_disk_is_not_waited_for(store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ArtifactStore, "_upload", full)
    with pytest.raises(OSError, match="No space left"):
        store.put("a", b"1")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://x", "memory"),
        ("s3://user:hidden-word@bucket/x", "credentials from the environment"),
        ("s3://bucket/x?secret=hidden-word", "credentials from the environment"),
        ("https://host/hidden-word", "kind must be one of"),
        ("file://relative/hidden-word", "whole path"),
        ("s3:///hidden-word", "no bucket"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str, reason: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    with pytest.raises(ValidationError) as caught:
        TypeAdapter(ArtifactsUrl).validate_python(url)
    text = caught.value.errors()[0]["msg"]
    assert reason in text
    assert "hidden-word" not in text
