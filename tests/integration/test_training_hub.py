"""Training data from a hub: mMARCO and Mr. TyDi, whose files are named by English words."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.test_hub import Hub
from tests.unit.test_msmarco import mmarco
from tests.unit.test_topics import mr_tydi

from sweep.settings.overrides import assignment

pytestmark = pytest.mark.slow

READ = """
import sys
from sweep.data.registry import TRAINING
from sweep.errors import InputError
from sweep.settings.cache import cache_folder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
settings = load_settings(Composer("sweep", sys.argv[1:]))
try:
    source = TRAINING[settings.data.kind].open(settings.data, settings.languages, cache_folder(settings.paths))
    print(*sorted({f"{row.language}:{row.question}" for row in source.read([])}), sep="|")
except InputError as error:
    sys.exit(f"InputError: {error}")
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """The repositories of both, with languages that nobody asks for."""
    served = {}
    for repository, folder in (
        ("unicamp-dl/mmarco", mmarco(tmp_path / "mmarco")),
        ("castorini/mr-tydi", mr_tydi(mr_tydi(tmp_path / "tydi"), name="bengali")),
    ):
        files = [file for file in folder.rglob("*") if file.is_file()]
        served[repository] = {"README.md": b""} | {str(f.relative_to(folder)): f.read_bytes() for f in files}
    server = Hub(served)
    yield server
    server.server.shutdown()
    server.server.server_close()


def read(folder: Path, hub: Hub, data: str, *languages: str) -> subprocess.CompletedProcess[str]:
    """Read training data in a new process: the hub's client reads its server's address when it is imported."""
    overrides = [
        *(f"data={data}", "ratio=monolingual", assignment("paths.cache", str(folder / "cache"))),
        assignment("languages.train", list(languages)),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [sys.executable, "-c", READ, *overrides],
        env={**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_mmarco_in_two_languages(hub: Hub, tmp_path: Path) -> None:
    done = read(tmp_path, hub, "mmarco", "zh", "de")
    assert done.stdout.strip() == "de:was ist alt|de:was ist kalt|zh:什么冷|zh:什么古老", done.stderr
    assert "Downloading mmarco (Apache-2.0 (translations)" in done.stderr
    assert sorted(hub.sent) == [
        *(f"data/google/collections/{name}_collection.tsv" for name in ("chinese", "german")),
        *(f"data/google/queries/train/{name}_queries.train.tsv" for name in ("chinese", "german")),
        "data/triples.train.ids.small.tsv",
    ]


def test_mr_tydi_in_one_language(hub: Hub, tmp_path: Path) -> None:
    done = read(tmp_path, hub, "mr_tydi", "sw")
    assert done.stdout.strip() == "sw:Jua?|sw:Mto upi?", done.stderr
    assert hub.sent == ["mrtydi-v1.1-swahili/train.jsonl.gz"]


def test_a_language_that_neither_has(hub: Hub, tmp_path: Path) -> None:
    done = read(tmp_path, hub, "mmarco", "sw")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("InputError: mmarco has no language 'sw'; it has: ")
    assert "Traceback" not in done.stderr
