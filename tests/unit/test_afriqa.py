"""AfriQA's gold passages in the published layout: as training data, and as a benchmark of paired questions."""

import hashlib
import http.server
import json
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.data.afriqa import AfriqaTraining, afriqa_benchmark, afriqa_rows
from sweep.data.benchmark import Benchmark
from sweep.data.leakage import check_zero_shot
from sweep.data.load import benchmark_tiers, load_benchmark, load_training_set
from sweep.data.remarks import Remark
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError
from sweep.evaluation.ngrams import match_ngrams
from sweep.evaluation.tiers import tier_members
from sweep.settings import AfriqaData, AfriqaEvaluation, Corpus, FilesOrigin
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings, load_settings
from sweep.settings.overrides import assignment

Fields = dict[str, Any]


def row(number: int, question: Any, translation: Any, passage: Any, **more: Any) -> Fields:
    """A row as it is published."""
    return {
        "answer_pivot": {"answer_start": [0], "text": ["x"]}, "context": passage, "id": str(number),
        "question_lang": question, "question_translated": translation, "title": "T", "answer_lang": "x", **more,
    }  # fmt: skip


def name(code: str, pivot: str, split: str) -> str:
    return f"{code}/gold_span_passages.afriqa.{code}.{pivot}.{split}.json"


def write(folder: Path, files: dict[tuple[str, str, str], list[Fields] | bytes], clone: bool = False) -> Path:
    """A folder of languages, or a clone of the whole repository."""
    for parts, rows in files.items():
        file = folder / ("data/gold_passages" if clone else "") / name(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = rows if isinstance(rows, bytes) else "".join(json.dumps(one) + "\n" for one in rows).encode()
        file.write_bytes(lines)
    return folder


SWAHILI = [row(0, "Mto upi?", "Which river?", "The Nile is long."), row(1, "Nani?", "Who?", "Nyerere led.")]
YORUBA = [row(0, "Ta ni?", "Who?", "Awolowo led."), row(1, "Odò wo?", "Which stream?", " The Nile is long.\n")]
FON = [row(0, "Fitɛ?", "Où?", "Au Bénin.")]
FILES: dict[tuple[str, str, str], list[Fields] | bytes] = {
    ("swa", "en", "test"): SWAHILI,
    ("yor", "en", "test"): YORUBA,
    ("fon", "fr", "test"): FON,
    ("yor", "en", "train"): [row(0, "Kí ni?", "What?", "A drum."), row(1, "Ta ni?", "Who was it?", "A king.")],
    ("hau", "en", "train"): [
        row(0, "Me?", "What thing?", "THE NILE is  long."),
        row(1, "Ina?", "Where?", "In Kano."),
    ],
    ("fon", "fr", "train"): [row(0, "Etɛ?", "Quoi?", "Un tambour.")],
    ("hau", "en", "dev"): [row(0, "Yaushe?", "When?", "In 1960.")],
}


def corpus(origin: FilesOrigin | None = None) -> Corpus:
    return Corpus(name="afriqa", languages=(), licence="CC BY 4.0", citation="none", origin=origin)


def evaluation(folder: Path | None, **changes: Any) -> AfriqaEvaluation:
    fields = {
        "kind": "afriqa", "name": "afriqa", "corpus": corpus(), "tiers": None, "path": folder and str(folder),
        "split": "test", "max_questions": None, "debias": (), "debias_on": "pool", "debias_pivot": None,
    }  # fmt: skip
    return AfriqaEvaluation.model_validate({**fields, **changes})


def training(folder: Path | None, **changes: Any) -> AfriqaData:
    fields = {"kind": "afriqa", "corpus": corpus(), "path": folder and str(folder), "split": "train"}
    return AfriqaData.model_validate({**fields, "apart_from": ("dev", "test"), **changes})


def rows_of(folder: Path, *languages: str, **changes: Any) -> tuple[list[TrainingRow], list[Remark]]:
    remarks: list[Remark] = []
    return list(afriqa_rows(training(folder, **changes), languages, Path()).read(remarks)), remarks


def answers(bench: Benchmark) -> dict[tuple[str, str], set[str]]:
    """(language, question) -> texts of the relevant passages."""
    return {
        (question.language, question.text): {bench.passages[int(place)].text for place in places}
        for question, places in zip(bench.questions, bench.relevant_q, strict=True)
    }


# As published -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clone", [False, True])
def test_questions_and_their_translations_have_the_same_passages(tmp_path: Path, clone: bool) -> None:
    bench = afriqa_benchmark(evaluation(write(tmp_path, FILES, clone)), None, Path())
    assert bench.languages == ("fon", "sw", "yo", "fr", "en")
    assert bench.passage_languages == ("fr", "en")
    assert {(one.language, one.text) for one in bench.passages} == {
        ("en", "The Nile is long."), ("en", "Nyerere led."), ("en", "Awolowo led."), ("fr", "Au Bénin.")
    }  # fmt: skip
    assert answers(bench) == {
        ("sw", "Mto upi?"): {"The Nile is long."},
        ("sw", "Nani?"): {"Nyerere led.", "Awolowo led."},  # its translation is asked in Yoruba, too
        ("yo", "Ta ni?"): {"Nyerere led.", "Awolowo led."},
        ("yo", "Odò wo?"): {"The Nile is long."},
        ("fon", "Fitɛ?"): {"Au Bénin."},
        ("en", "Which river?"): {"The Nile is long."},
        ("en", "Who?"): {"Nyerere led.", "Awolowo led."},
        ("en", "Which stream?"): {"The Nile is long."},
        ("fr", "Où?"): {"Au Bénin."},
    }
    by_group = {
        one.group: {other.language for other in bench.questions if other.group == one.group}
        for one in bench.questions
    }
    assert sorted(map(sorted, by_group.values())) == [["en", "sw"]] * 2 + [["en", "yo"]] * 2 + [["fon", "fr"]]
    assert "sw 1 of 2, yo 1 of 2" in bench.notes[0]
    assert "passages are in fr and en alone" in bench.notes[1]


def test_a_language_is_asked_with_all_passages_of_its_pivot(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    bench = afriqa_benchmark(evaluation(folder), ("yo",), Path())
    assert bench.languages == ("yo", "en")
    assert len(bench.questions) == 4
    whole = afriqa_benchmark(evaluation(folder), None, Path())
    english = {(one.id, one.text) for one in whole.passages if one.language == "en"}
    assert {(one.id, one.text) for one in bench.passages} == english
    assert afriqa_benchmark(evaluation(folder), ("en", "yo"), Path()).languages == ("en", "yo")
    assert any("center and shift change nothing" in note for note in bench.notes)
    assert not any("center and shift change nothing" in note for note in whole.notes)
    pivot_alone = afriqa_benchmark(evaluation(folder), ("fr",), Path())
    assert answers(pivot_alone) == {("fr", "Où?"): {"Au Bénin."}}
    fewer = afriqa_benchmark(evaluation(folder, max_questions=1), ("yo", "sw"), Path())
    assert (len(fewer.questions), len(fewer.passages)) == (4, 3)
    fewer = afriqa_benchmark(evaluation(folder, max_questions=1), ("yo",), Path())
    asked = afriqa_benchmark(evaluation(folder, max_questions=1, passages="asked"), ("yo",), Path())
    assert answers(asked) == answers(fewer)
    assert {one.text for one in asked.passages} == set().union(*answers(asked).values())
    assert len(asked.passages) < len(fewer.passages)
    assert [evaluation(folder, passages=kept).is_whole for kept in ("all", "asked")] == [True, False]


def test_training_rows_are_pairs_of_question_and_translation(tmp_path: Path) -> None:
    folder = write(tmp_path, FILES)
    rows, remarks = rows_of(folder, "yo", "fon", "en", "fr")
    assert [(one.group, one.language, one.question, one.passage, one.passage_language) for one in rows] == [
        ("fon:train:0", "fon", "Etɛ?", "Un tambour.", "fr"),
        ("fon:train:0", "fr", "Quoi?", "Un tambour.", ""),
        ("yo:train:0", "yo", "Kí ni?", "A drum.", "en"),
        ("yo:train:0", "en", "What?", "A drum.", ""),
    ]  # yo:train:1 asks a question of the test split in the same words
    assert rows[2].place == f"{folder / name('yor', 'en', 'train')}:1"
    assert [remark.amount for remark in remarks] == ["1 of 2"]
    held_in, _ = rows_of(folder, "yo", "en", apart_from=())
    assert {one.group for one in held_in} == {"yo:train:0", "yo:train:1"}
    # A passage that differs from one of another language's test split in case and spaces alone.
    assert {one.group for one in rows_of(folder, "ha", "en")[0]} == {"ha:train:1"}
    assert {one.group for one in rows_of(folder, "en")[0]} == {"yo:train:0", "ha:train:1"}
    assert {one.language for one in rows_of(folder, "en")[0]} == {"en"}


def test_what_the_published_files_lack_is_counted(tmp_path: Path) -> None:
    rows = [
        row(0, "Nani?", "Who?", None), row(1, math.nan, "Akwatia", "x"), row(2, "Wapi?", " ", "x"),
        *[row(number, "Lini?", "When?", "In 1961.") for number in (3, 4, 3)],
    ]  # fmt: skip
    bench = afriqa_benchmark(evaluation(write(tmp_path, {("swa", "en", "test"): rows})), None, Path())
    assert answers(bench) == {("sw", "Lini?"): {"In 1961."}, ("en", "When?"): {"In 1961."}}
    assert "left out: sw 3 of 6; the first: " in bench.notes[0]
    assert bench.notes[0].endswith("test.json:1")
    assert "given more than once, kept once: sw 2 of 6; the first: " in bench.notes[1]


def test_as_files_come(tmp_path: Path) -> None:
    lines = "\r\n".join(json.dumps(one) for one in SWAHILI)
    folder = write(tmp_path, {("swa", "en", "test"): b"\xef\xbb\xbf" + lines.encode() + b"\r\n\r\n"})
    assert len(afriqa_benchmark(evaluation(folder), None, Path()).questions) == 4
    alone = folder / "swa"
    (alone / "README.json").write_text("[]")
    assert len(afriqa_benchmark(evaluation(alone), None, Path()).questions) == 4


# Bad input ----------------------------------------------------------------------------------------------------


LINE = json.dumps(SWAHILI[0]).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINE + b"{broken\n", r"swa\.en\.test\.json:2: Invalid JSON"),
        (
            LINE + LINE.replace(b"Mto", b"Mlima"),
            r"test\.json:2: id '0' occurs twice, with another content at .*json:1$",
        ),
        (LINE.replace(b'"context"', b'"passage"'), r"test\.json:1: context: Field required"),
        (LINE.replace(b'"Mto upi?"', b"5"), r"test\.json:1: question_lang: Input should be a valid string"),
        (LINE.replace(b"Mto", b"M\xe9o"), r"test\.json:1: byte \d+ is not UTF-8"),
        (b"[" + LINE + b"]", r"test\.json: is one JSON document, not JSON Lines"),
        (LINE[:-30], r"test\.json:1: Invalid JSON"),
        (LINE.replace(b'"The Nile is long."', b"null"), r"language 'sw' has no question or passage"),
        (b"", r"language 'sw' has no question or passage"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    folder = write(tmp_path, {("swa", "en", "test"): content})
    with pytest.raises(InputError, match=message):
        afriqa_benchmark(evaluation(folder), None, Path())


def test_languages_and_splits_that_are_not_there_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", FILES)
    with pytest.raises(
        InputError, match="evaluation 'afriqa' has no test split in 'ha'; it has fon sw yo, with passages"
    ):
        afriqa_benchmark(evaluation(folder), ("ha",), Path())
    with pytest.raises(InputError, match=r"no train split in 'sw'; .*take 'sw' out of languages\.train"):
        rows_of(folder, "sw", "en")
    with pytest.raises(InputError, match=r"the passages for 'yo' are in 'en'; add it to languages.train"):
        rows_of(folder, "yo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/a.txt").touch()
    with pytest.raises(InputError, match=r"no <code>/gold_span_passages.* \(there: a\.txt\)"):
        afriqa_benchmark(evaluation(tmp_path / "empty"), None, Path())
    with pytest.raises(InputError, match="no such folder"):
        afriqa_benchmark(evaluation(tmp_path / "absent"), None, Path())
    with pytest.raises(InputError, match=r"has no dev split; choose another evaluation.split"):
        afriqa_benchmark(
            evaluation(write(tmp_path / "s", {("swa", "en", "test"): SWAHILI}), split="dev"), None, Path()
        )
    write(folder, {("yor", "en", "test"): YORUBA}, clone=True)
    with pytest.raises(InputError, match=r"^afriqa has no dev split; choose one that it has: test$"):
        AfriqaTraining().languages(training(tmp_path / "s", split="dev"))
    with pytest.raises(InputError, match=r"are both the test split of 'yo'; leave one"):
        afriqa_benchmark(evaluation(folder), None, Path())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data.split=test",), "data.split and evaluation.split are both test"),
        (
            ("data.apart_from=[dev]",),
            r"data\.apart_from lacks evaluation\.split=test, .*set data\.apart_from=\[dev, test\]",
        ),
        ((), None),
    ],
)
def test_a_study_never_trains_on_what_it_evaluates_on(overrides: tuple[str, ...], message: str | None) -> None:
    composer = Composer("sweep", ["languages=afriqa", "data=afriqa", "evaluation=afriqa", *overrides])
    if message is None:
        load_settings(composer)
        return
    with pytest.raises(InputError, match=message):
        load_settings(composer)


# Downloading --------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The files of this test from a real HTTP server."""
    folder = write(tmp_path / "served", FILES)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/"
    running.shutdown()
    running.server_close()


def test_the_files_of_a_split_are_downloaded_and_verified(tmp_path: Path, server: str) -> None:
    files: list[dict[str, str]] = []
    for parts in FILES:
        content = (tmp_path / "served" / name(*parts)).read_bytes()
        code = {"swa": "sw", "yor": "yo", "fon": "fon", "hau": "ha"}[parts[0]]
        sha256 = hashlib.sha256(content).hexdigest()
        files.append({"path": name(*parts), "language": code, "split": parts[2], "sha256": sha256})
    origin = FilesOrigin.model_validate({"kind": "files", "url": server, "files": tuple(files)})
    declared = corpus(origin).model_copy(update={"languages": ("fon", "ha", "sw", "yo")})
    bench = afriqa_benchmark(evaluation(None, corpus=declared), ("sw",), tmp_path / "cache")
    local = afriqa_benchmark(evaluation(tmp_path / "served"), ("sw",), Path())
    assert (bench.questions, list(bench.passages)) == (local.questions, list(local.passages))
    assert len(list((tmp_path / "cache/afriqa").rglob("*.json"))) == 3  # of the test split
    settings = training(None, corpus=declared)
    rows = list(afriqa_rows(settings, ("yo", "en"), tmp_path / "cache").read([]))
    assert {one.group for one in rows} == {"yo:train:0"}
    for file in files:
        if file["path"] == name("yor", "en", "test"):
            file["sha256"] = "0" * 64
    wrong = declared.model_copy(
        update={"origin": FilesOrigin.model_validate({"kind": "files", "url": server, "files": tuple(files)})}
    )
    with pytest.raises(InputError, match=r"yor\.en\.test\.json: the download does not have the expected SHA-256"):
        afriqa_benchmark(evaluation(None, corpus=wrong), ("sw",), tmp_path / "other")


def test_the_declaration_names_the_published_files(assets: Path) -> None:
    settings = load_evaluate_settings(Composer("evaluate", ["model.path=x", "evaluation=afriqa"]))
    origin = settings.evaluation.corpus.origin if settings.evaluation.corpus else None
    assert isinstance(origin, FilesOrigin)
    assert origin.url.endswith("/5c29933753692c28773c34ac1f68482007f1d2bb/data/gold_passages/")
    listed = {
        file: sha256
        for line in (assets / "data/SHA256SUMS").read_text().splitlines()
        for sha256, file in [line.split()]
        if file.startswith("afriqa/")
    }
    assert {f"afriqa/{file.path}": file.sha256 for file in origin.files} == listed
    assert all(f".{file.split}.json" in file.path for file in origin.files)
    for file, sha256 in listed.items():
        assert hashlib.sha256((assets / "data" / file).read_bytes()).hexdigest() == sha256


# The real files -----------------------------------------------------------------------------------------------


def real(assets: Path, *overrides: str) -> Benchmark:
    path = assignment("evaluation.path", str(assets / "data/afriqa"))
    return load_benchmark(
        load_evaluate_settings(Composer("evaluate", ["model.path=x", "evaluation=afriqa", path, *overrides]))
    )


def test_counts_of_the_real_files(assets: Path) -> None:
    bench = real(assets)
    count = {code: sum(one.language == code for one in bench.questions) for code in bench.languages}
    assert count == {
        "ak": 475, "bem": 308, "fon": 386, "ha": 300, "ig": 409, "rw": 345, "sw": 295, "yo": 253, "zu": 325,
        "en": 2710, "fr": 386,
    }  # fmt: skip
    by_language = np.bincount(bench.passages.language_d, minlength=11)
    assert dict(zip(bench.languages, by_language.tolist(), strict=True)) == dict.fromkeys(count, 0) | {
        "en": 2557,
        "fr": 358,
    }
    assert {len(rows) for rows in bench.relevant_q} == {1, 2}
    assert not bench.is_parallel
    assert len(real(assets, "evaluation.split=dev").languages) == 9  # neither sw nor yo
    text = " ".join(bench.notes)
    assert re.search(r"left out: bem 1 of 309, rw 2 of 347, yo 1 of 254", text)
    assert "kept once: ak 11 of 486" in text


def test_the_real_splits_share_nothing_that_is_trained_on(assets: Path) -> None:
    overrides = ["languages=afriqa", "data=afriqa", "evaluation=afriqa"]
    paths = [assignment(f"{section}.path", str(assets / "data/afriqa")) for section in ("data", "evaluation")]
    settings = load_settings(Composer("sweep", [*overrides, *paths]))
    trained = load_training_set(settings)
    assert len(trained.groups) == 1695
    check_zero_shot(trained, load_benchmark(settings))


def test_strings_tell_questions_from_their_translations(assets: Path) -> None:
    """N-grams find what a translation names, and less of it in another language: the gap is what it should be."""
    bench = real(assets, "languages.evaluate=[fon]", "evaluation.max_questions=30")
    settings = load_evaluate_settings(Composer("evaluate", ["model.path=x", "evaluation=afriqa"]))
    members = tier_members(bench.languages, benchmark_tiers(settings), ())
    assert members == {"high": {"fr"}, "low": {"fon"}}
    measured = match_ngrams(bench, members)
    figures, intervals = measured.metrics, measured.intervals
    gap = figures["afriqa/cross/map_gap/fon-fr"]
    assert gap == pytest.approx(figures["afriqa/mono/map/fr"] - figures["afriqa/cross/map/fon-fr"])
    assert 0 < gap < figures["afriqa/mono/map/fr"]
    low, high = intervals["afriqa/cross/map_gap/fon-fr"]
    assert low < gap < high
    assert figures["afriqa/pooled/questions/fon"] == 30
    assert "afriqa/mono/map/fon" not in figures
