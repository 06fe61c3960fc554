"""`python -m sweep` on files of one's own in SQuAD's format: what is refused, and what is said."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Sweep

from sweep.records.folder import StudyFolder

CITIES = ("Oslo", "Bern", "Rome", "Kyiv", "Lima", "Baku", "Doha", "Male", "Suva", "Apia", "Riga", "Bonn")
LANGUAGES = ("de", "en")


def corpus(folder: Path, cities: tuple[str, ...], topic: str, shift: int = 0) -> Path:
    """A paragraph for each city in each language; without sentence_breaks, as most published files."""
    folder.mkdir()
    for code in LANGUAGES:
        paragraphs = []
        for city in cities:
            context = f"{code} {city} {topic} lies by water. The {topic} of {city} {code} is old."
            answer = {"text": city, "answer_start": context.index(city) + shift}
            question = {"id": f"{topic}-{city}", "question": f"{topic}, {city}, {code}?", "answers": [answer]}
            paragraphs.append({"context": context, "qas": [question]})
        (folder / f"{code}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return folder


def on_files(data: Path, evaluation: Path) -> tuple[str, ...]:
    return (
        "data=squad", "evaluation=squad", f"data.path={data}", f"evaluation.path={evaluation}", "study.name=own",
        "study.objectives=[{metric: own/pooled/map, direction: maximize}]", "study.near_copies=null",
        "study.export=none",
        "languages.train=[de,en]", "languages.evaluate=[de,en]", "languages.tiers=null", "model.vocabulary_size=300",
        "train.steps=6", "train.warmup_steps=1", "train.batch_size=16", "launcher.workers=1", "launcher.threads=1",
    )  # fmt: skip


@pytest.mark.slow
def test_two_corpora_of_ones_own_are_a_study(tmp_path: Path, sweep: Sweep) -> None:
    training = corpus(tmp_path / "training", CITIES, "harbour")
    content = json.loads((training / "de.json").read_text())
    content["data"][0]["paragraphs"] = content["data"][0]["paragraphs"][:5]
    (training / "de.json").write_text(json.dumps(content))
    command = on_files(training, corpus(tmp_path / "benchmark", CITIES[:6], "castle"))
    result = sweep(*command, "study.baselines=[]", "tracking=json_lines")
    assert result.returncode == 0, result.stderr
    folder = StudyFolder(tmp_path / "sweeps" / "own")
    lines = json.loads(folder.notes.read_text())["lines"]
    whole = "'own': its files have no sentence_breaks, so each candidate is a whole paragraph; for sentences set"
    assert lines == [
        f"data {whole} data.candidates=sentence",
        f"evaluation {whole} evaluation.candidates=sentence",
        "Batches are smaller than train.batch_size=16, and have fewer negatives, for 2 of 2 languages (de 5, en 12) "
        "and 2 of 2 ordered pairs (de-en 5, en-de 5): they have no more translation groups. "
        "exposure.csv counts these batches.",
    ]
    assert result.stdout.startswith("\n".join(lines))
    (exposure,) = folder.path.glob("trials/*/exposure.csv")
    rows = list(csv.DictReader(exposure.open()))
    assert rows
    assert all(row["small_batches"] == row["batches"] for row in rows)


@pytest.mark.parametrize("same", ["the folder", "by a link", "a copy"])
def test_the_same_corpus_on_both_sides_is_refused(tmp_path: Path, sweep: Sweep, same: str) -> None:
    ours = corpus(tmp_path / "ours", CITIES, "harbour")
    theirs = tmp_path / "theirs"
    if same == "by a link":
        theirs.symlink_to(ours, target_is_directory=True)
    elif same == "a copy":
        shutil.copytree(ours, theirs)
    result = sweep(*on_files(ours, ours if same == "the folder" else theirs))
    assert result.returncode == 2
    why = "occur in the training data" if same == "a copy" else f"data and evaluation are both in the folder {ours}"
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_two_folders_of_one_public_corpus_are_refused(tmp_path: Path, sweep: Sweep) -> None:
    paths = (corpus(tmp_path / "one", CITIES, "harbour"), corpus(tmp_path / "other", CITIES, "castle"))
    result = sweep(*on_files(*paths), "data=xquad_r", "evaluation=xquad_r")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "data and evaluation are both 'xquad_r'" in result.stderr


@pytest.mark.parametrize("side", ["data", "evaluation"])
def test_wrong_offsets_are_refused_before_anything_starts(tmp_path: Path, sweep: Sweep, side: str) -> None:
    good, bad = corpus(tmp_path / "good", CITIES, "harbour"), corpus(tmp_path / "bad", CITIES, "castle", shift=20)
    folders = (bad, good) if side == "data" else (good, bad)
    result = sweep(*on_files(*folders), f"{side}.candidates=sentence")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "12 of 12 answers do not stand where answer_start says" in result.stderr
    assert f"shifted by +20; correct the file, or allow a larger share with {side}.misplaced_answers" in result.stderr


def broken(content: dict[str, Any]) -> list[tuple[bytes, str]]:
    text = json.dumps(content)
    return [
        (text.encode("utf-16"), "is in UTF-16 or UTF-32; convert it to UTF-8"),
        (text[:-9].encode(), "it is cut short; fetch it again"),
        (b'{"id": 1}\n{"id": 2}\n', "is JSON Lines"),
        (json.dumps(content["data"]).encode(), "is a list of articles: write"),
    ]


@pytest.mark.parametrize(("case", "side"), [(0, "data"), (1, "evaluation"), (2, "data"), (3, "evaluation")])
def test_files_in_another_form_are_refused_in_one_line(tmp_path: Path, sweep: Sweep, side: str, case: int) -> None:
    folders = {name: corpus(tmp_path / name, CITIES, name) for name in ("data", "evaluation")}
    file = folders[side] / "en.json"
    written, why = broken(json.loads(file.read_text()))[case]
    file.write_bytes(written)
    result = sweep(*on_files(folders["data"], folders["evaluation"]))
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert f"{file}: " in result.stderr
    assert why in result.stderr
