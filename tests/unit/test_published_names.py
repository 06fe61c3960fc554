"""Folders of SQuAD's format under the names that they are published by: SQuAD, MLQA, XQuAD, XTREME and TyDi QA."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_squad import own_corpus, squad_training_set, training

from sweep.data.language_files import language_files
from sweep.data.squad import squad_languages, squad_rows
from sweep.errors import InputError
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

NILE = {
    "en": ("The Nile is long. It is in Africa.", "Which river is long?", "Nile"),
    "de": ("Der Nil ist lang. Er ist in Afrika.", "Welcher Fluss ist lang?", "Nil"),
    "sw": ("Mto Nile ni mrefu. Uko Afrika.", "Mto upi ni mrefu?", "Nile"),
}


def published(language: str, version: str = "1.1", id_: str = "5733be284776f41900661182") -> dict[str, Any]:
    """A file as SQuAD 1.1 or 2.0 has it, without sentence_breaks."""
    context, question, answer = NILE[language]
    asked: dict[str, Any] = {
        "answers": [{"answer_start": context.index(answer), "text": answer}], "question": question, "id": id_,
    }  # fmt: skip
    asked |= {"is_impossible": False} if version == "v2.0" else {}
    impossible = {
        "plausible_answers": [{"text": "Africa", "answer_start": 0}], "question": "Who?", "id": "5a8d7bf7df8bba00",
        "answers": [], "is_impossible": True,
    }  # fmt: skip
    asks = [asked, impossible] if version == "v2.0" else [asked]
    return {"version": version, "data": [{"title": "Nile", "paragraphs": [{"context": context, "qas": asks}]}]}


def folder_of(folder: Path, **files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("xquad.en", "en"),
        ("xquad.zh", "zh"),
        ("test-context-de-question-de", "de"),
        ("dev-context-de-question-en", None),
        ("translate-test-context-de-question-de", None),  # is in English, translated from German
        ("de_squad-translate-train-train-v1.1", "de"),
        ("vi_squad-translate-train-dev-v1.1", "vi"),
        ("squad.translate.train.en-de", "de"),
        ("squad.translate.dev.en-hi", "hi"),
        ("squad.translate.train.en-es.v1.1", "es"),
        ("squad.translate.train.en-th-hf", "th"),
        ("tydiqa.translate.train.en-sw", "sw"),
        ("xquad.translate.test.de-en", "en"),
        ("tydiqa.goldp.sw.train", "sw"),
        ("tydiqa.goldp.sw.dev", "sw"),
        ("tydiqa.te.train", "te"),
        ("tydiqa-goldp-dev-english", "en"),
        ("tydiqa-goldp-v1.1-dev-swahili", "sw"),
        ("tydiqa-goldp-v1.1-train", None),  # of all languages
        ("train-v1.1", None),
        ("train-v2.0", None),
        ("dev-v2.0", None),
        ("dev", None),
        ("train", None),
        ("README", None),
    ],
)
def test_the_language_of_a_published_name(tmp_path: Path, name: str, language: str | None) -> None:
    (tmp_path / f"{name}.json").write_text("{}")
    assert list(language_files(tmp_path)) == ([language] if language else [])


def test_translations_of_squad_are_parallel_with_it(tmp_path: Path) -> None:
    """XTREME's translations keep the ids of SQuAD 1.1, whose own file does not name its language."""
    files = {"train-v1.1": published("en"), "squad.translate.train.en-de": published("de")}
    folder = folder_of(tmp_path, **files, **{"squad.translate.train.en-sw": published("sw")})
    assert squad_languages(own_corpus(), str(folder)) == ("de", "sw")
    named = {"en": "train-v1.1.json"}
    assert squad_languages(own_corpus(), str(folder), named) == ("de", "en", "sw")
    settings = training(folder, files=named)
    rows = list(squad_rows(settings, ("de", "en", "sw"), Path()).read([]))
    assert {row.group for row in rows} == {"5733be284776f41900661182"}
    assert {(row.language, row.question): row.passage for row in rows} == {
        (code, question): context for code, (context, question, _) in NILE.items()
    }  # whole paragraphs, since there are no sentence_breaks
    assert rows[0].place == f"{folder}/squad.translate.train.en-de.json: question '5733be284776f41900661182'"


def test_questions_of_squad_2_without_an_answer_are_left_out(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, **{"train-v2.0": published("en", "v2.0")})
    trained = squad_training_set(training(folder, files={"en": "train-v2.0.json"}), ("en",), Path())
    assert list(trained.groups) == ["5733be284776f41900661182"]
    assert any("questions without an answer (is_impossible), left out: en 1 of 2" in note for note in trained.notes)


def test_a_pattern_chooses_among_the_splits_of_mlqa(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        **{f"{code}_squad-translate-train-train-v1.1": published(code) for code in ("de", "sw")},
        **{f"{code}_squad-translate-train-dev-v1.1": published(code, id_="d") for code in ("de", "sw")},
    )
    with pytest.raises(
        InputError, match=r"language 'de' has two files, de_squad.*leave one there, or choose with files="
    ):
        squad_languages(own_corpus(), str(folder))
    settings = training(folder, files="*-train-v1.1.json")
    rows = list(squad_rows(settings, ("de", "sw"), Path()).read([]))
    assert {(row.language, row.group) for row in rows} == {
        (code, "5733be284776f41900661182") for code in ("de", "sw")
    }
    both = training(folder, files={code: f"{code}_squad-translate-train-dev-v1.1.json" for code in ("de", "sw")})
    assert {row.group for row in squad_rows(both, ("de", "sw"), Path()).read([])} == {"d"}


def test_gold_passages_of_tydi_qa_are_monolingual(tmp_path: Path) -> None:
    files = {
        "tydiqa.goldp.en.train": published("en", id_="english--1-0"),
        "tydiqa.goldp.sw.train": published("sw", id_="swahili-2-0"),
    }
    rows = list(squad_rows(training(folder_of(tmp_path, **files)), ("en", "sw"), Path()).read([]))
    assert [(row.group, row.language) for row in rows] == [("english--1-0", "en"), ("swahili-2-0", "sw")]


def test_names_that_tell_no_language_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, **{"train-v1.1": published("en")})
    with pytest.raises(
        InputError, match=r"no <language>\.json in .*train-v1\.1\.json.*give it with files=\{en: FILE\}"
    ):
        squad_languages(own_corpus(), str(folder))
    with pytest.raises(
        InputError, match=r"trein\.json: no such file, which is named for language 'en' \(there: train-"
    ):
        list(squad_rows(training(folder, files={"en": "trein.json"}), ("en",), Path()).read([]))


def test_files_are_given_on_the_command_line() -> None:
    named = load_settings(Composer("sweep", ["data=squad", "data.path=x", "data.files={eng: train-v1.1.json}"]))
    assert named.data.kind == "squad"
    assert named.data.files == {"en": "train-v1.1.json"}
    pattern = load_settings(Composer("sweep", ["data=squad", "data.path=x", "data.files='*-train-v1.1.json'"]))
    assert pattern.data.kind == "squad"
    assert pattern.data.files == "*-train-v1.1.json"
    usual = load_settings(Composer("sweep", ["data=squad", "data.path=x"]))
    assert "files" not in usual.data.plain()
    assert usual.data.fingerprint() != pattern.data.fingerprint()
