"""`python -m sweep` on rows of one's own: from a file, from a hub, and in a mix with files of another format."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.test_hub import Hub
from tests.integration.test_own_files import CITIES, corpus
from tests.unit.test_rows import read, rows_settings

from sweep.records.folder import StudyFolder
from sweep.settings.overrides import assignment

PAIRS = [
    {"group": city, "language": code, "query": f"Where is {city}, {code}?", "passage": f"{city} lies by {code}."}
    for city in CITIES
    for code in ("en", "sw", "fr")
]  # fmt: skip
STUDY = (
    "languages.train=[en,sw]", "languages.evaluate=[en,sw]", "languages.tiers=null", "evaluation.records=12",
    "model.vocabulary_size=300", "train.steps=4", "train.warmup_steps=1", "train.batch_size=8", "study.name=own",
    "study.export=none", "study.baselines=[]", "study.near_copies=null", "tracking=json_lines", "launcher.workers=1",
    "launcher.threads=1",
)  # fmt: skip


def json_lines(file: Path) -> Path:
    file.write_text("\n".join(map(json.dumps, PAIRS)))
    return file


@pytest.mark.slow
def test_rows_of_ones_own_are_a_study(tmp_path: Path, sweep: Sweep) -> None:
    json_lines(tmp_path / "pairs.jsonl")
    result = sweep("data=rows", "data.path=pairs.jsonl", *STUDY)
    assert result.returncode == 0, result.stderr
    remark = "data 'rows of pairs.jsonl': rows in languages that are not in languages.train are passed over: fr 12"
    assert remark in json.loads(StudyFolder(tmp_path / "sweeps" / "own").notes.read_text())["lines"]


@pytest.mark.slow
def test_a_mix_is_a_study(tmp_path: Path, sweep: Sweep) -> None:
    json_lines(tmp_path / "pairs.jsonl")
    corpus(tmp_path / "squad", CITIES, "castle")  # in de and en
    mix = ("data=mix", "+data@data.sources.ours=rows", "data.sources.ours.path=pairs.jsonl")
    result = sweep(*mix, "+data@data.sources.files=squad", "data.sources.files.path=squad", *STUDY)
    assert result.returncode == 0, result.stderr
    assert "data 'mix': files: its files have no sentence_breaks" in result.stdout
    result = sweep(*mix, "data.sources.ours.columns.query=queri", *STUDY)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "data.sources.ours: pairs.jsonl:1: has no column 'queri'" in line
    assert line.endswith("did you mean 'query'?")


# From the hub -------------------------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A data set with a folder for each language."""
    content = {
        f"data/{code}/{part}.jsonl": json.dumps({"anchor": f"q {code} {part}", "positive": "p"}).encode()
        for code in ("en", "sw", "fr")
        for part in (0, 1)
    }
    served = Hub({"team/pairs": {"README.md": b"", **content}})
    yield served
    served.server.shutdown()
    served.server.server_close()


READ = """
import sys
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.data.registry import TRAINING
from sweep.errors import InputError
try:
    settings = load_settings(Composer("sweep", sys.argv[1:]))
    from sweep.settings.cache import cache_folder
    rows = TRAINING["rows"].open(settings.data, settings.languages, cache_folder(settings.paths))
    print(rows.title, *((row.language, row.question) for row in rows.read([])), sep="; ")
except InputError as error:
    sys.exit(f"InputError: {error}")
"""


def from_hub(folder: Path, url: str, files: str) -> subprocess.CompletedProcess[str]:
    """Read rows in a new process: the client reads its server's address when it is imported."""
    overrides = [
        "data=rows", "data.repository=team/pairs", f"data.revision={'0a' * 20}", assignment("data.files", [files]),
        "languages.train=[en,sw]", assignment("paths.cache", str(folder / "cache")),
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [sys.executable, "-c", "import time; time.sleep = lambda _: None\n" + READ, *overrides],
        env={**kept, "HF_ENDPOINT": url, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_hub_gives_the_rows_of_the_languages(hub: Hub, tmp_path: Path) -> None:
    done = from_hub(tmp_path, hub.url, "data/{language}/*.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "data 'rows of team/pairs (0a0a0a0a0a0a)'; ('en', 'q en 0'); ('en', 'q en 1'); ('sw', 'q sw 0'); "
        "('sw', 'q sw 1')"
    )
    assert sorted(hub.sent) == [f"data/{code}/{part}.jsonl" for code in ("en", "sw") for part in (0, 1)]
    assert done.stderr.startswith("Downloading team--pairs-0a0a0a0a0a0a\n")
    lacking = from_hub(tmp_path, hub.url, "data/{language}.parquet")
    assert "InputError: team/pairs: the hub gave no data/en.parquet; with the files in a local" in lacking.stderr


# Real data ----------------------------------------------------------------------------------------------------


def test_afriqa_as_it_is_published(assets: Path) -> None:
    """A question column for each language, and passages in the pivot language: its files are JSON Lines."""
    settings = rows_settings(
        assets / "data/afriqa/hau/*.train.json",
        {"query": {"hau": "question_lang", "en": "question_translated"}, "passage": "context"},
        format="jsonl",
        language="en",
        incomplete="skip",  # some have no passage
    )
    rows = read(settings, "ha", "en")
    languages = [(row.language, row.passage_language) for row in rows]
    assert set(languages) == {("ha", "en"), ("en", "")}
    assert languages.count(("ha", "en")) == languages.count(("en", "")) == len({row.group for row in rows})
    first = next(row for row in rows if row.language == "ha")
    assert first.place.endswith("gold_span_passages.afriqa.hau.en.train.json:1")
