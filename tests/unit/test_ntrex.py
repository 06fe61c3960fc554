"""NTREX, as published and as real data: the split by document, and which sentence comes next."""

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import Sweep
from tests.unit.test_bitext import languages, read_all
from tests.unit.test_squad import own_corpus, serve

from sweep.data.benchmark import Benchmark
from sweep.data.corpora import corpus_folder
from sweep.data.leakage import check_zero_shot, normalised
from sweep.data.load import benchmark_tiers, load_benchmark, load_training_set
from sweep.data.next_sentences import NextSentences
from sweep.errors import InputError
from sweep.settings import Corpus, FilesOrigin, HttpFile, LinesEvaluation, Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

assert serve  # a fixture

DOCUMENTS = [f"paper.{number:03d}" for number in range(12)]
IDS = [name for name in DOCUMENTS for _ in range(4)]
CODES = {"en": "src.eng", "sw": "ref.swa", "am": "ref.amh"}


def sentence(code: str, line: int) -> str:
    return f"Sentence {line} in {code}."


def ntrex(folder: Path, **changed: dict[int, str]) -> Path:
    """Twelve documents of four sentences in NTREX's published layout. `changed`: by language other lines, from 1."""
    (folder / "NTREX-128").mkdir(parents=True)
    (folder / "README.md").write_text("NTREX\n")
    (folder / "LANGUAGES.tsv").write_text("eng English\n")
    (folder / "DOCUMENT_IDS.tsv").write_text("".join(f"{name}\n" for name in IDS))
    for code, name in CODES.items():
        texts = [changed.get(code, {}).get(line, sentence(code, line)) for line in range(1, len(IDS) + 1)]
        (folder / "NTREX-128" / f"newstest2019-{name}.txt").write_text("".join(f"{text}\n" for text in texts))
    return folder


def evaluation(folder: Path | None, **changes: Any) -> LinesEvaluation:
    fields = {"kind": "lines", "name": "toy", "corpus": own_corpus(), "tiers": None, "debias": (),
              "debias_on": "pool", "debias_pivot": None, "path": folder and str(folder),
              "documents": "DOCUMENT_IDS.tsv", "train_share": 0.5, "max_documents": None,
              "max_questions": None}  # fmt: skip
    return LinesEvaluation.model_validate({**fields, **changes})


def load(folder: Path, *codes: str, **changes: Any) -> Benchmark:
    return NextSentences().load(evaluation(folder, **changes), codes or None, folder)


def trained_lines(folder: Path, *codes: str, **changes: Any) -> set[int]:
    rows, _ = read_all(folder, languages(*codes), **{"pairs": "neighbour", "train_share": 0.5, **changes})
    return {int(row.group.rsplit(":", 1)[-1]) for row in rows}


def line_of(id_: str) -> int:
    return int(id_.partition(":")[2])


# The benchmark ------------------------------------------------------------------------------------------------


def test_the_next_sentence_is_relevant_in_every_language(tmp_path: Path) -> None:
    bench = load(ntrex(tmp_path))
    assert bench.languages == ("am", "en", "sw")
    documents = len(bench.passages) // 12
    assert 0 < documents < len(DOCUMENTS)
    assert len(bench.questions) == documents * 3 * 3
    for question, relevant in zip(bench.questions, bench.relevant_q, strict=True):
        line = int(question.group.removeprefix("toy:"))
        assert question.text == sentence(question.language, line)
        assert IDS[line - 1] == IDS[line]
        assert {bench.passages[row].text for row in relevant} == {sentence(code, line + 1) for code in CODES}
    assert {passage.unit for passage in bench.passages} == {passage.id[3:] for passage in bench.passages}
    assert bench.notes == (
        f"evaluation 'toy': {4 * documents} of 48 lines are candidates, those of {documents} of 12 documents",
    )


def test_no_question_finds_its_own_line(tmp_path: Path) -> None:
    """In no language; nor another line with its text, but for the next one."""
    every = load(ntrex(tmp_path / "plain"), train_share=0.0)
    for question, ignored in zip(every.questions, every.ignored_q, strict=True):
        assert {every.passages[row].id[3:] for row in ignored} == {f"{int(question.group[4:]):09d}"}
        assert len(ignored) == 3
    twice = {1: "Why?", 2: "Why?", 9: "Why?"}
    bench = load(ntrex(tmp_path / "twice", en=twice), train_share=0.0)
    of_first = next(row for row, question in enumerate(bench.questions) if question == ("toy:1", "en", "Why?"))
    ids = {bench.passages[row].id for row in bench.ignored_q[of_first]}
    assert ids == {*(f"{code}:000000001" for code in CODES), "en:000000009"}
    assert bench.passages.rows_of(["en:000000002"])["en:000000002"] in bench.relevant_q[of_first]


def test_blank_lines_are_no_questions_and_no_candidates(tmp_path: Path) -> None:
    bench = load(ntrex(tmp_path, sw={2: "", 5: "  "}), train_share=0.0)
    assert len(bench.passages) == 3 * 48 - 2
    assert ("toy:2", "sw") not in {question[:2] for question in bench.questions}
    first = next(row for row, question in enumerate(bench.questions) if question[:2] == ("toy:1", "sw"))
    assert {bench.passages[row].id for row in bench.relevant_q[first]} == {"am:000000002", "en:000000002"}
    assert any("blank lines" in note and "sw 2 of 48; the first: " in note for note in bench.notes)


def test_smaller_pools(tmp_path: Path) -> None:
    folder = ntrex(tmp_path)
    some = load(folder, "en", train_share=0.0, max_documents=3)
    assert (len(some.questions), len(some.passages)) == (9, 12)
    fewer = load(folder, "en", train_share=0.0, max_questions=2)
    assert len(fewer.questions) == 2
    assert len(fewer.passages) in (4, 8)
    assert {IDS[line_of(passage.id) - 1] for passage in fewer.passages} == {
        IDS[int(question.group[4:]) - 1] for question in fewer.questions
    }
    assert [q.group for q in load(folder, "sw", train_share=0.0, max_questions=2).questions] == [
        q.group for q in fewer.questions
    ]


# The split ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_no_document_is_on_both_sides(tmp_path: Path, share: float) -> None:
    folder = ntrex(tmp_path)
    ours = {IDS[line - 1] for line in trained_lines(folder, "en", train_share=share)}
    theirs = {IDS[line_of(one.id) - 1] for one in load(folder, "en", train_share=share).passages}
    assert not ours & theirs
    assert ours | theirs == set(DOCUMENTS)
    more = {IDS[line - 1] for line in trained_lines(folder, "en", train_share=0.9)}
    assert ours <= more  # what was trained on is not evaluated on with a larger share


def test_sentences_of_both_sides_are_not_trained_on(tmp_path: Path) -> None:
    """In whatever language, and but for case: the benchmark stays what it is."""
    ours = sorted(trained_lines(ntrex(tmp_path / "plain"), "en"))[1]
    theirs = line_of(load(tmp_path / "plain", "en").passages[0].id)
    folder = ntrex(tmp_path / "shared", en={ours: "Photo: AP"}, sw={theirs: "PHOTO:  AP"})
    left = trained_lines(folder, "en")
    assert left == trained_lines(tmp_path / "plain", "en") - {ours, ours - 1}
    assert len(load(folder).questions) == len(load(tmp_path / "plain").questions)
    _, notes = read_all(folder, languages("en"), pairs="neighbour", train_share=0.5)
    assert "data 'toy': 2 groups with a text that held-out documents have are left out" in notes


def settings(folder: Path, *overrides: str) -> Settings:
    paths = f"data.path={folder}", f"evaluation.path={folder}", f"paths.cache={folder}/cache"
    return load_settings(Composer("sweep", ["data=ntrex", "evaluation=ntrex", *paths, *overrides]))


@pytest.mark.parametrize("change", ["data.train_share=0.6", "evaluation.documents=null"])
def test_the_split_has_to_be_one(tmp_path: Path, change: str) -> None:
    with pytest.raises(InputError, match="documents of one corpus have to be divided alike"):
        settings(tmp_path, change)
    with pytest.raises(InputError, match="documents of one corpus have to be divided alike"):
        load_settings(Composer("sweep", ["data=ntrex", "evaluation=ntrex", change]))
    both = ["data=bitext", "data.pairs=neighbour", "evaluation=lines", "data.path=x"]
    assert load_settings(Composer("sweep", [*both, "evaluation.path=y", change])).data.kind == "bitext"


# What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_share": 1.0}, r"toy: none of 12 documents is held out .* evaluation\.train_share=1"),
        ({"documents": "ids.txt"}, r"has no ids\.txt, which names the document of each line; .*documents=null"),
        ({"path": "nowhere"}, r"toy: no such folder: nowhere"),
    ],
)
def test_bad_settings_of_the_benchmark(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(ntrex(tmp_path), "en", **changes)


def test_bad_folders_of_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no file of the language 'de'; it has: am en sw"):
        load(ntrex(tmp_path / "ntrex"), "de")
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for name in ("a.en-sw.en", "a.en-sw.sw", "b.en-sw.en", "b.en-sw.sw"):
        (pairs / name).write_text("x\n")
    with pytest.raises(InputError, match=r"several sets of parallel files \(a\.en-sw, b\.en-sw\)"):
        load(pairs, "en")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no parallel files \(there: nothing\)"):
        load(tmp_path / "empty")


# Downloading --------------------------------------------------------------------------------------------------


def declared_corpus(url: str, files: dict[str, tuple[str | None, bytes]]) -> Corpus:
    declared = tuple(
        HttpFile(path=path, language=code, sha256=hashlib.sha256(content).hexdigest())
        for path, (code, content) in files.items()
    )
    origin = FilesOrigin(kind="files", url=url, files=declared)
    codes = tuple(code for code, _ in files.values() if code)
    return Corpus(name="toy", languages=codes, licence="none", citation="none", origin=origin)


def published(folder: Path) -> dict[str, tuple[str | None, bytes]]:
    ntrex(folder)
    names = {f"NTREX-128/newstest2019-{name}.txt": code for code, name in CODES.items()} | {"DOCUMENT_IDS.tsv": None}
    return {path: (code, (folder / path).read_bytes()) for path, code in names.items()}


def test_the_files_of_the_languages_are_downloaded(serve: Callable[..., str], tmp_path: Path) -> None:
    files = published(tmp_path / "published")
    url = serve({path: (200, content, len(content)) for path, (_, content) in files.items()})
    corpus = declared_corpus(url, files)
    bench = NextSentences().load(evaluation(None, corpus=corpus), ("en", "sw"), tmp_path)
    there = {str(file.relative_to(tmp_path / "toy")) for file in (tmp_path / "toy").rglob("*.t*")}
    assert there == {path for path, (code, _) in files.items() if code != "am"}
    local = load(tmp_path / "published", "en", "sw")
    assert bench.questions == local.questions
    assert list(bench.passages) == list(local.passages)
    assert NextSentences().languages(evaluation(None, corpus=corpus)) == ("am", "en", "sw")
    grid = languages("en")
    assert read_all(tmp_path, grid, corpus=corpus, path=None, pairs="neighbour", train_share=0.5)[0] == [
        row._replace(place=row.place.replace("published", "toy"))
        for row in read_all(tmp_path / "published", grid, pairs="neighbour", train_share=0.5)[0]
    ]


def test_a_changed_download_is_refused(serve: Callable[..., str], tmp_path: Path) -> None:
    files = published(tmp_path / "published")
    url = serve({path: (200, content + b"\n", len(content) + 1) for path, (_, content) in files.items()})
    with pytest.raises(InputError, match=r"\.txt: the download does not have .* SHA-256.*data\.path=FOLDER"):
        corpus_folder(declared_corpus(url, files), None, ("en",), tmp_path, "data")
    assert not list((tmp_path / "toy").rglob("*.txt"))


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a//b", "a/../b", ""])
def test_files_of_an_origin_stay_in_its_folder(path: str) -> None:
    with pytest.raises(ValueError, match="a relative path of plain names"):
        HttpFile(path=path, language=None, sha256="0" * 64)


# The real data ------------------------------------------------------------------------------------------------


def test_the_data_files_are_those_of_the_public_origin(assets: Path) -> None:
    origin = settings(assets / "data/ntrex").data.corpus.origin
    assert isinstance(origin, FilesOrigin)
    of_name = {file.path.rsplit("/", 1)[-1].rsplit("newstest2019-", 1)[-1]: file.sha256 for file in origin.files}
    files = sorted((assets / "data/ntrex").glob("???*.txt"))
    assert len(files) == 63
    for file in files:
        name = f"src.{file.name}" if file.stem == "eng" else f"ref.{file.name}"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == of_name[name]
    assert len(origin.files) == len(files) + 1


def test_real_training_data_and_benchmark_have_nothing_in_common(assets: Path, tmp_path: Path) -> None:
    folder = assets / "data/ntrex"
    chosen = settings(folder, "languages=ntrex_low", f"paths.cache={tmp_path}")
    training, bench = load_training_set(chosen), load_benchmark(chosen)
    check_zero_shot(training, bench)
    ids = (folder / "DOCUMENT_IDS.tsv").read_text().splitlines()
    ours = {ids[int(group.removeprefix("ntrex:")) - 1] for group in training.groups}
    theirs = {ids[line_of(passage.id.removeprefix("bem")) - 1] for passage in bench.passages}
    assert not ours & theirs
    assert len(ours | theirs) == 123
    assert len(bench.questions) == 8136
    assert len(training.groups) == 1194
    tiers = benchmark_tiers(chosen)
    assert (tiers.high, tiers.low) == (("en", "fr"), ("am", "ha", "sw", "yo", "bem", "ig", "km", "zu"))
    # Read once more, without the project's readers.
    english = (folder / "eng.txt").read_text(encoding="utf-8").split("\n")[:-1]
    following = {
        number: other
        for number, (one, other) in enumerate(pairwise(english), start=1)
        if ids[number - 1] == ids[number]
    }
    for question, rows in zip(bench.questions, bench.relevant_q, strict=True):
        if question.language == "en":
            texts = {bench.passages[row].text for row in rows if bench.passages[row].language == "en"}
            assert following[int(question.group.removeprefix("ntrex:"))].strip() in texts


def test_real_sentences_of_both_parts_in_any_language(assets: Path, tmp_path: Path) -> None:
    """All 63 languages are compared, whichever are trained on."""
    codes = ("en", "fr", "so", "om", "wo")
    grid = languages(*codes)
    rows, notes = read_all(assets / "data/ntrex", grid, pairs="neighbour", train_share=0.7)
    assert any("groups with a text that held-out documents have are left out" in note for note in notes)
    trained = {normalised(text) for row in rows for text in (row.question, row.passage)}
    ids = (assets / "data/ntrex/DOCUMENT_IDS.tsv").read_text().splitlines()
    ours = {ids[int(row.group.removeprefix("toy:")) - 1] for row in rows}
    for file in (assets / "data/ntrex").glob("???*.txt"):
        texts = file.read_text(encoding="utf-8").split("\n")
        assert not {normalised(text) for name, text in zip(ids, texts, strict=False) if name not in ours} & trained


# A study ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_study_on_the_documents_of_one_corpus(tmp_path: Path, sweep: Sweep) -> None:
    words = np.random.default_rng(0).choice([f"w{number}" for number in range(60)], (3, len(IDS), 5))
    changed = {
        code: {line + 1: f"{code} {line} " + " ".join(of_language[line]) for line in range(len(IDS))}
        for code, of_language in zip(CODES, words, strict=True)
    }
    folder = ntrex(tmp_path / "ntrex", **changed)
    result = sweep(
        "data=ntrex", "evaluation=ntrex", f"data.path={folder}", f"evaluation.path={folder}", "study.name=documents",
        "study.objectives=[{metric: ntrex/pooled/map, direction: maximize}]", "study.export=none",
        "study.baselines=[]", "tracking=json_lines", "languages.train=[en,sw]", "languages.evaluate=[en,sw,am]",
        "languages.tiers=null", "model.vocabulary_size=300", "train.steps=4", "train.warmup_steps=1",
        "train.batch_size=8", "launcher.workers=1", "launcher.threads=1",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "documents that are held out" in result.stdout
