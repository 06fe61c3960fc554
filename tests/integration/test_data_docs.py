"""Every command of docs/data.md, run as a reader would: in one folder, one after another."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.test_model import of_family
from tests.unit.test_squad import write

from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SENTENCES = {
    "en": ["The well is deep.", "The fire was put out.", "The roof is made of reed.", "The road was closed at noon."],
    "sw": ["Kisima ni kirefu.", "Moto ulizimwa.", "Paa limetengenezwa kwa mwanzi.", "Barabara ilifungwa adhuhuri."],
    "el": ["Το πηγάδι είναι βαθύ.", "Η φωτιά έσβησε.", "Η στέγη είναι από καλάμια.", "Ο δρόμος έκλεισε."],
    "de": ["Der Brunnen ist tief.", "Das Feuer wurde gelöscht.", "Das Dach ist aus Schilf.", "Die Straße war zu."],
}


def squad(language: str, other: str = "") -> dict[str, object]:
    """A paragraph of four sentences, with a question on each; those of another data set have a word more."""
    sentences = [f"{other}{one}" for one in SENTENCES[language]]
    context = " ".join(sentences)
    questions = [
        {
            "id": f"{other}q{at}",
            "question": f"{other}{language} {at}?",
            "answers": [{"answer_start": context.index(one)}],
        }
        for at, one in enumerate(sentences)
    ]
    breaks = [[context.index(one), context.index(one) + len(one)] for one in sentences]
    return {"data": [{"paragraphs": [{"context": context, "sentence_breaks": breaks, "qas": questions}]}]}


def blocks(kind: str) -> list[str]:
    return [text for language, text in BLOCK.findall(PAGE) if language == kind]


def test_every_command_runs(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "pairs.csv").write_text(blocks("csv")[0])
    for folder in ("squad", "bitext"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "squad", en=squad("en"), de=squad("de"))
    for code in ("en", "sw"):
        (tmp_path / "bitext" / f"wells.en-sw.{code}").write_text("\n".join(SENTENCES[code]) + "\n")
    of_family("xlmr", tmp_path / "encoder", cache)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # python is this one
    environment = {**os.environ, "PATH": path, "SWEEP_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    for script in blocks("sh"):
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
    assert len(list(StudyFolder(tmp_path / "sweeps/pairs").path.glob("trials/*/result.json"))) == 3
    assert json.loads((tmp_path / "pairs.json").read_text())
    mined = [json.loads(line) for line in (tmp_path / "mined.jsonl").read_text().splitlines()]
    assert len(mined) == 8
    assert any(row["negatives"] for row in mined)


def test_every_choice_of_data_is_on_the_page() -> None:
    from sweep.settings.tree import group_options

    assert {name for name in group_options()["data"] if f"`{name}`" not in PAGE} == set()
