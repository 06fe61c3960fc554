"""The reference study in sweeps/: nothing of it is damaged, and what it says follows from its files."""

import json
import re
import sqlite3
from html import unescape
from pathlib import Path

from tests.conftest import Sweep

from sweep.answer.opened import opened
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import damaged_trials

STUDY = Path(__file__).parents[2] / "sweeps" / "reference-me5-small"
FOLDER_OF_A_MACHINE = re.compile(rb"(?<![\w.~/])/(?:home|root|work|tmp|Users|mnt|opt)/")


def test_every_finished_trial_is_as_it_was_written() -> None:
    with opened(StudyFolder(STUDY)) as study:
        records = study.view.records()
    complete = [record for record in records if record.state == "COMPLETE"]
    assert complete
    assert damaged_trials(records) == {}
    with_ranks = {file.parent.name for file in STUDY.glob("trials/*/ranks.parquet")}
    assert with_ranks == {record.key for record in complete}


def test_what_it_says_follows_from_the_ranks(sweep: Sweep) -> None:
    said = sweep(
        f"study.name={STUDY.name}",
        f"paths.sweeps={STUDY.parent}",
        "format=markdown",
        module="sweep.commands.write_report",
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout == (STUDY / "report.md").read_text(encoding="utf-8")


def test_it_names_no_folder_of_a_machine() -> None:
    files = [file for file in STUDY.rglob("*") if file.is_file() and not file.name.startswith("study.db")]
    assert len(files) > 100
    assert [file for file in files if FOLDER_OF_A_MACHINE.search(file.read_bytes())] == []
    with sqlite3.connect(f"file:{STUDY / 'study.db'}?mode=ro", uri=True) as database:
        assert FOLDER_OF_A_MACHINE.findall("\n".join(database.iterdump()).encode()) == []


def test_its_page_has_no_text_of_the_corpora(assets: Path) -> None:
    page = unescape((STUDY / "report.html").read_text(encoding="utf-8"))
    for code in ("en", "de", "th"):
        articles = json.loads((assets / "data" / "xquad-r" / f"{code}.json").read_text(encoding="utf-8"))["data"]
        questions = [
            one["question"] for article in articles for paragraph in article["paragraphs"] for one in paragraph["qas"]
        ]
        assert len(questions) > 1000
        assert not [question for question in questions if question in page]
