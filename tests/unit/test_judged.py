"""Collections with relevance judgements: MIRACL's and BEIR's layouts read, broken files named with their line."""

import gzip
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.data.benchmark import Benchmark
from sweep.data.load import load_benchmark
from sweep.errors import InputError
from sweep.settings import HubOrigin, JudgedEvaluation
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.overrides import assignment

Fields = dict[str, Any]

DOCUMENTS = [
    {"docid": "1#0", "title": "Mto", "text": "Nile ni mrefu."},
    {"docid": "1#1", "title": "", "text": "Nile ni wa kale."},
    {"docid": "9#0", "title": "Mwezi", "text": "Mwezi ni mdogo."},
]
QRELS = "7\tQ0\t1#0\t2\n7\tQ0\t1#1\t0\n7\tQ0\t9#0\t1\n9\tQ0\t9#0\t0\n"
TOPICS = "9\tNani?\n7\tMto upi ni mrefu?\n8\tHakuna hukumu?\n"


def json_lines(records: list[Fields]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write(file: Path, text: str) -> Path:
    """A text file, gzipped if its name says so."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def miracl_files(folder: Path, language: str = "sw", split: str = "dev") -> tuple[Path, Path, Path]:
    """The paths of topics, qrels and the corpus folder."""
    name = f"miracl-v1.0-{language}"
    topics = folder / name / "topics" / f"topics.{name}-{split}.tsv"
    qrels = folder / name / "qrels" / f"qrels.{name}-{split}.tsv"
    return topics, qrels, folder / f"miracl-corpus-v1.0-{language}"


def miracl(
    folder: Path, language: str = "sw", topics: str = TOPICS, qrels: str = QRELS, parts: tuple[str, ...] = ()
) -> Path:
    """A collection in the published layout; by default three passages in two files."""
    files = miracl_files(folder, language)
    write(files[0], topics)
    write(files[1], qrels)
    for number, part in enumerate(parts or (json_lines(DOCUMENTS[1:]), json_lines(DOCUMENTS[:1]))):
        write(files[2] / f"docs-{number}.jsonl.gz", part)
    return folder


def beir(
    folder: Path, language: str, texts: dict[str, str], queries: dict[str, str], qrels: str, ending: str = ""
) -> Path:
    """One language of a collection in BEIR's layout; `ending` may be .gz."""
    passages = [{"_id": id_, "title": "", "text": text, "metadata": {}} for id_, text in texts.items()]
    write(folder / language / f"corpus.jsonl{ending}", json_lines(passages))
    asked = [{"_id": id_, "text": text} for id_, text in queries.items()]
    write(folder / language / f"queries.jsonl{ending}", json_lines(asked))
    write(folder / language / "qrels" / "test.tsv", f"query-id\tcorpus-id\tscore\n{qrels}")
    return folder


def parallel_collection(folder: Path, both: str = "q1", english: str = "q2", german: str = "q3") -> Path:
    """The first query has a translation, the others have none."""
    qrels = f"{both}\ta\t1\n{english}\tb\t2\n", f"{both}\tc\t3\n{german}\ta\t1\n"
    beir(folder, "en", {"a": "Rome", "b": "Oslo"}, {both: "Where?", english: "Which?"}, qrels[0])
    return beir(folder, "de", {"a": "Rom", "c": "Bern"}, {both: "Wo?", german: "Wer?"}, qrels[1], ".gz")


def load(kind: str, folder: Path | None, cache: Path, *languages: str, **changes: Any) -> Benchmark:
    """The benchmark that a user's command line would give."""
    overrides = [
        "model.path=x",
        f"evaluation={kind}",
        assignment("evaluation.path", folder and str(folder)),
        assignment("paths.cache", str(cache)),
        assignment("languages.evaluate", list(languages) or None),
        *(assignment(f"evaluation.{name}", value) for name, value in changes.items()),
    ]
    return load_benchmark(load_evaluate_settings(Composer("evaluate", overrides)))


def relevant(bench: Benchmark) -> dict[tuple[str, str], dict[str, int]]:
    """(language, question) -> relevant passage id -> grade."""
    return {
        (question.language, question.text): {
            bench.passages[row].id: grade for row, grade in zip(rows.tolist(), grades.tolist(), strict=True)
        }
        for question, rows, grades in zip(bench.questions, bench.relevant_q, bench.grade_q, strict=True)
    }


# Reading ------------------------------------------------------------------------------------------------------


def test_miracl_as_published(tmp_path: Path) -> None:
    bench = load("miracl", miracl(tmp_path / "data"), tmp_path / "cache")
    assert (bench.name, bench.languages, bench.protocol) == ("miracl", ("sw",), "monolingual")
    assert [(passage.id, passage.text) for passage in bench.passages] == [
        ("sw:1#0", "Mto Nile ni mrefu."),
        ("sw:1#1", "Nile ni wa kale."),
        ("sw:9#0", "Mwezi Mwezi ni mdogo."),
    ]
    assert {passage.language for passage in bench.passages} == {"sw"}
    assert relevant(bench) == {
        ("sw", "Mto upi ni mrefu?"): {"sw:1#0": 2, "sw:9#0": 1},  # the grade 0 is no relevance
        ("sw", "Nani?"): {},  # judged, but nothing is relevant; "Hakuna hukumu?" is not judged
    }
    assert all(found.tolist() == sorted(found.tolist()) for found in bench.relevant_q)


def test_the_corpus_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    folder = miracl(tmp_path / "data")
    for _ in range(2):
        load("miracl", folder, tmp_path / "cache")
    assert len(list((tmp_path / "cache/passages").glob("*.arrow"))) == 1
    write(miracl_files(folder)[2] / "docs-2.jsonl.gz", json_lines([{"docid": "2#0", "text": "Mpya."}]))
    bench = load("miracl", folder, tmp_path / "cache")
    assert bench.passages[2].id == "sw:2#0"
    assert bench.passages[2].text == "Mpya."
    assert relevant(bench)["sw", "Mto upi ni mrefu?"] == {"sw:1#0": 2, "sw:9#0": 1}


def test_more_than_ten_corpus_files_and_plain_ones(tmp_path: Path) -> None:
    parts = tuple(json_lines([{"docid": f"{number}#0", "text": f"Kifungu {number}."}]) for number in range(12))
    folder = miracl(tmp_path / "data", qrels="7\tQ0\t11#0\t1\n", parts=parts)
    (packed := miracl_files(folder)[2] / "docs-11.jsonl.gz").unlink()
    write(packed.with_suffix(""), parts[11])
    bench = load("miracl", folder, tmp_path / "cache")
    assert len(bench.passages) == 12
    assert relevant(bench) == {("sw", "Mto upi ni mrefu?"): {"sw:11#0": 1}}


def test_each_language_has_its_own_pool(tmp_path: Path) -> None:
    """Languages number their queries and passages alike; neither may be mixed up."""
    folder = miracl(miracl(tmp_path / "data"), "yo", topics="7\tOdo?\n", qrels="7\tQ0\t1#1\t1\n")
    bench = load("miracl", folder, tmp_path / "cache")
    assert bench.languages == ("sw", "yo")
    assert len(bench.passages) == 6
    assert [passage.id for passage in bench.passages] == sorted(passage.id for passage in bench.passages)
    assert relevant(bench)["sw", "Mto upi ni mrefu?"] == {"sw:1#0": 2, "sw:9#0": 1}
    assert relevant(bench)["yo", "Odo?"] == {"yo:1#1": 1}
    assert load("miracl", folder, tmp_path / "cache", "yo").languages == ("yo",)


def test_fewer_questions_are_the_same_ones_at_every_run(tmp_path: Path) -> None:
    topics = "".join(f"{number}\tSwali {number}?\n" for number in range(20))
    judged = [f"{number}\tQ0\t1#0\t{number % 2}\n" for number in range(20)]
    first = load("miracl", miracl(tmp_path / "a", topics=topics, qrels="".join(judged)), tmp_path, max_questions=5)
    again = load(
        "miracl", miracl(tmp_path / "b", topics=topics, qrels="".join(judged[::-1])), tmp_path, max_questions=5
    )
    more = load("miracl", tmp_path / "a", tmp_path, max_questions=6)
    assert len(first.questions) == 5
    assert len(first.passages) == 3  # the pool stays whole
    assert first.questions == again.questions
    assert set(first.questions) < set(more.questions)
    assert len(load("miracl", tmp_path / "a", tmp_path, max_questions=50).questions) == 20


def test_beir_monolingual(tmp_path: Path) -> None:
    bench = load("beir", parallel_collection(tmp_path / "data"), tmp_path / "cache")
    assert bench.languages == ("de", "en")
    assert [passage.id for passage in bench.passages] == ["de:a", "de:c", "en:a", "en:b"]
    assert relevant(bench) == {
        ("de", "Wer?"): {"de:a": 1},
        ("de", "Wo?"): {"de:c": 3},
        ("en", "Where?"): {"en:a": 1},
        ("en", "Which?"): {"en:b": 2},
    }


def test_beir_parallel_joins_the_judgements_of_translations(tmp_path: Path) -> None:
    bench = load("beir", parallel_collection(tmp_path / "data"), tmp_path / "cache", protocol="parallel")
    assert bench.protocol == "parallel"
    assert relevant(bench) == {
        ("de", "Wer?"): {"de:a": 1},
        ("de", "Wo?"): {"de:c": 3, "en:a": 1},
        ("en", "Where?"): {"de:c": 3, "en:a": 1},
        ("en", "Which?"): {"en:b": 2},
    }
    assert {question.group for question in bench.questions} == {"q1", "q2", "q3"}


@pytest.mark.parametrize("ids", list(itertools.permutations(("q1", "q2", "q3"))), ids="-".join)
def test_fewer_parallel_questions_keep_all_judgements(tmp_path: Path, ids: tuple[str, str, str]) -> None:
    """A question that only some languages keep has its relevant passages of the others all the same."""
    folder = parallel_collection(tmp_path / "data", *ids)
    whole = relevant(load("beir", folder, tmp_path / "cache", protocol="parallel"))
    fewer = relevant(load("beir", folder, tmp_path / "cache", protocol="parallel", max_questions=1))
    assert len(fewer) == 2
    assert fewer == {asked: whole[asked] for asked in fewer}


def test_beir_titles_and_another_split(tmp_path: Path) -> None:
    folder = beir(tmp_path / "data", "en", {"b": "x"}, {"q1": "Where?"}, "q1\tb\t1\n")
    write(folder / "en/corpus.jsonl", json_lines([{"_id": "b", "title": "Oslo", "text": "is cold."}]))
    write(folder / "en/qrels/dev.tsv", "q1\tb\t4\n")  # without a line of names
    bench = load("beir", folder, tmp_path / "cache", split="dev")
    assert [passage.text for passage in bench.passages] == ["Oslo is cold."]
    assert relevant(bench) == {("en", "Where?"): {"en:b": 4}}


# Bad input ----------------------------------------------------------------------------------------------------


def two_parts(first: str, second: str) -> Fields:
    return {"parts": (first, second)}


ONE, TWO, THREE = (json_lines([document]) for document in DOCUMENTS)
OTHER = json_lines([{**DOCUMENTS[0], "text": "Another."}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (two_parts(ONE + "{not json\n", TWO + THREE), r"docs-0\.jsonl\.gz:2: Invalid JSON"),
        (two_parts(ONE, TWO + "[1]\n"), r"docs-1\.jsonl\.gz:2: "),
        (two_parts(ONE, TWO + '{"text": "x"}\n'), r"docs-1\.jsonl\.gz:2: docid: Field required"),
        (two_parts(ONE, '\n{"docid": "2#0"}\n'), r"docs-1\.jsonl\.gz:2: text: Field required"),
        (two_parts(ONE + TWO + OTHER, THREE), r"docs-0\.jsonl\.gz:3: passage id '1#0' occurs twice"),
        (two_parts(ONE + TWO, THREE + OTHER), r"docs-1\.jsonl\.gz:2: passage id '1#0' occurs twice"),
        ({"topics": TOPICS + "7\tTena?\n"}, r"topics\.miracl-v1\.0-sw-dev\.tsv:4: query id '7' occurs twice"),
        ({"topics": TOPICS + "11\n"}, r"topics\.miracl-v1\.0-sw-dev\.tsv:4: must be a query id, a tab"),
        ({"qrels": QRELS + "99\tQ0\t1#0\t1\n"}, r"qrels\.miracl-v1\.0-sw-dev\.tsv:5: names the unknown query '99'"),
        ({"qrels": "7\tQ0\t5#5\t1\n"}, r"qrels\.miracl-v1\.0-sw-dev\.tsv:1: names the unknown passage '5#5'"),
        ({"qrels": QRELS + "7\t1#0\t1\n"}, r"qrels\.miracl-v1\.0-sw-dev\.tsv:5: must have 4 fields .*, not 3"),
        (
            {"qrels": QRELS + "7\tQ0\t1#0\tgood\n"},
            r"-dev\.tsv:5: the grade must be a whole number of at most 2147483647, not 'good'",
        ),
        (
            {"qrels": "7\tQ0\t1#0\t0.5\n"},
            r"-dev\.tsv:1: the grade must be a whole number of at most 2147483647, not '0\.5'",
        ),
        ({"qrels": "\n"}, r"the dev split of 'sw' in .*data has no judgements"),
    ],
)
def test_a_broken_miracl_line_is_named(tmp_path: Path, content: Fields, message: str) -> None:
    folder = miracl(tmp_path / "data", **content)
    for _ in range(2):  # nothing that a failure leaves in the cache hides it the second time
        with pytest.raises(InputError, match=message):
            load("miracl", folder, tmp_path / "cache")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "a"}\n', r"en/corpus\.jsonl:1: text: Field required"),
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n{"id": "b", "text": "x"}\n', r"corpus\.jsonl:2: _id: Field req"),
        (
            "corpus.jsonl",
            '{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n',
            r"corpus\.jsonl:2: passage id 'a' occurs twice",
        ),
        (
            "queries.jsonl",
            '{"_id": "q1", "text": "x"}\n{"_id": "q1", "text": "y"}\n',
            r"en/queries\.jsonl:2: query id 'q1' occurs twice",
        ),
        ("queries.jsonl", '{"_id": "q1"\n', r"en/queries\.jsonl:1: Invalid JSON"),
        ("queries.jsonl", '{"_id": 1.5, "text": "x"}\n', r"en/queries\.jsonl:1: _id: Input should be a valid string"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\ta\n", r"en/qrels/test\.tsv:2: must have 3 .*, not 2"),
        ("qrels/test.tsv", "q1 a 1\n", r"en/qrels/test\.tsv:1: must have 3 fields .*, not 1"),
        ("qrels/test.tsv", "q9\ta\t1\n", r"en/qrels/test\.tsv:1: names the unknown query 'q9'"),
        ("qrels/test.tsv", "q1\tz\t1\n", r"en/qrels/test\.tsv:1: names the unknown passage 'z'"),
        ("qrels/test.tsv", "q1\ta\t1\nq1\ta\t?\n", r"en/qrels/test\.tsv:2: the grade must be a whole number"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", r"the test split of 'en' in .* has no judgements"),
    ],
)
def test_a_broken_beir_line_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = beir(tmp_path / "data", "en", {"a": "Rome"}, {"q1": "Where?"}, "q1\ta\t1\n")
    write(folder / "en" / file, content)
    with pytest.raises(InputError, match=message):
        load("beir", folder, tmp_path / "cache")


def cut(packed: bytes) -> bytes:
    return packed[: len(packed) // 2]


def spoil(packed: bytes) -> bytes:
    return packed[:20] + bytes(byte ^ 0xFF for byte in packed[20:40]) + packed[40:]


def unpacked(packed: bytes) -> bytes:
    return gzip.decompress(packed)


def other_encoding(packed: bytes) -> bytes:
    return gzip.compress(gzip.decompress(packed).replace(b"Nile", b"N\xe9le"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r": ends after line \d+: it is cut short; fetch it again"),
        (spoil, r": cannot be read \(.+\)"),
        (unpacked, r": is not gzipped or is damaged"),
        (other_encoding, r":1: byte \d+ is not UTF-8; convert the file"),
    ],
)
def test_a_damaged_corpus_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    folder = miracl(tmp_path / "data")
    file = miracl_files(folder)[2] / "docs-1.jsonl.gz"
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    for _ in range(2):
        with pytest.raises(InputError, match=r"docs-1\.jsonl\.gz" + message):
            load("miracl", folder, tmp_path / "cache")
    file.write_bytes(whole)
    assert len(load("miracl", folder, tmp_path / "cache").passages) == 3


def test_missing_files_and_languages_are_named(tmp_path: Path) -> None:
    folder, cache = miracl(tmp_path / "data"), tmp_path / "cache"
    with pytest.raises(InputError, match=r"miracl: no corpus of language 'yo' in .*data"):
        load("miracl", folder, cache, "sw", "yo")
    with pytest.raises(InputError, match=r"topics\.miracl-v1\.0-sw-train\.tsv: no such file"):
        load("miracl", folder, cache, split="train")
    topics, qrels, _ = miracl_files(folder)
    qrels.unlink()
    with pytest.raises(InputError, match=r"qrels\.miracl-v1\.0-sw-dev\.tsv: no such file"):
        load("miracl", folder, cache)
    topics.unlink()
    with pytest.raises(InputError, match=r"topics\.miracl-v1\.0-sw-dev\.tsv: no such file"):
        load("miracl", folder, cache)
    with pytest.raises(InputError, match=r"miracl: no such folder: .*absent"):
        load("miracl", tmp_path / "absent", cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"miracl: .*empty holds no corpus in the layout of miracl"):
        load("miracl", tmp_path / "empty", cache)


def test_missing_beir_files_and_path_are_named(tmp_path: Path) -> None:
    folder, cache = parallel_collection(tmp_path / "data"), tmp_path / "cache"
    with pytest.raises(InputError, match=r"no public origin: .*evaluation\.path=FOLDER"):
        load("beir", None, cache)
    with pytest.raises(InputError, match=r"beir: no corpus of language 'fr' in .*fr/corpus\.jsonl"):
        load("beir", folder, cache, "de", "fr")
    (folder / "en/qrels/test.tsv").unlink()
    with pytest.raises(InputError, match=r"en/qrels/test\.tsv: no such file"):
        load("beir", folder, cache)
    assert load("beir", folder, cache, "de").languages == ("de",)


def test_a_parallel_pool_takes_no_index() -> None:
    overrides = ["model.path=x", "evaluation=miracl", "evaluation.protocol=parallel", "evaluation.search.index=hnsw"]
    with pytest.raises(InputError, match=r"protocol=parallel .* needs search\.index=exact"):
        load_evaluate_settings(Composer("evaluate", overrides))


# The hub: its client is real, its server is this one ----------------------------------------------------------


def test_a_language_that_the_hub_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="miracl has no language 'sv'; it has: ar, bn, en"):
        load("miracl", None, tmp_path, "sv")


def test_miracl_is_pinned_to_two_repositories() -> None:
    settings = load_evaluate_settings(Composer("evaluate", ["model.path=x", "evaluation=miracl"])).evaluation
    assert isinstance(settings, JudgedEvaluation)
    origin = settings.corpus.origin
    assert isinstance(origin, HubOrigin)
    assert [source.repository for source in origin.repositories] == ["miracl/miracl", "miracl/miracl-corpus"]


# As files come -----------------------------------------------------------------------------------------------


def test_real_files_read_alike(tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, null titles, numbers for ids, and what occurs again unchanged."""
    folder = beir(tmp_path / "data", "en", {"1": "Rome", "2": "Oslo"}, {"7": "Where?"}, "7\t1\t2\n7\t2\t0\n")
    plain = load("beir", folder, tmp_path / "cache")
    corpus = [{"_id": 2, "title": None, "text": "Oslo"}, {"_id": 1, "text": "Rome"}]
    write(
        folder / "en/corpus.jsonl", "\ufeff" + json_lines(corpus).replace("\n", "\r\n\r\n") + json_lines(corpus[:1])
    )
    write(folder / "en/queries.jsonl", "\ufeff" + json_lines([{"_id": 7, "text": "Where?"}]) * 3)
    judged = ["query-id\tcorpus-id\tscore", "7\t1\t2", "", "7\t2\t0", "7\t1\t2", "7\t1\t2"]
    write(folder / "en/qrels/test.tsv", "\ufeff" + "\r\n".join(judged))
    for _ in range(2):  # the second time from the cache
        bench = load("beir", folder, tmp_path / "cache")
        assert [tuple(passage) for passage in bench.passages] == [tuple(passage) for passage in plain.passages]
        assert bench.questions == plain.questions
        assert relevant(bench) == relevant(plain)
        queries, judgements, passages = bench.notes
        assert queries.startswith("beir: queries that occur again, kept once: en 2 of 3; the first: ")
        assert judgements.startswith("beir: judgements that occur again, kept once: en 2 of 4; the first: ")
        assert judgements.endswith("en/qrels/test.tsv:5")
        assert passages == "beir: passages that occur again, kept once: en 1 of 3; the first: 2"


@pytest.mark.parametrize(
    "grade", ["4294967297", "2147483648", "-99999999999", "1_0", "\uff11", " 1", "1 ", "1.0", "nan", "", "+1", "0x1"]
)
def test_a_grade_is_a_whole_number_in_plain_digits(tmp_path: Path, grade: str) -> None:
    folder = beir(tmp_path / "data", "en", {"a": "Rome"}, {"q": "Where?"}, f"q\ta\t{grade}\n")
    with pytest.raises(
        InputError, match=r"test\.tsv:2: the grade must be a whole number of at most 2147483647, not "
    ):
        load("beir", folder, tmp_path / "cache")


@pytest.mark.parametrize(("grade", "kept"), [("2147483647", 2147483647), ("1", 1), ("0", None), ("-2", None)])
def test_grades_of_32_bits_are_kept_as_they_are(tmp_path: Path, grade: str, kept: int | None) -> None:
    folder = beir(tmp_path / "data", "en", {"a": "Rome"}, {"q": "Where?"}, f"q\ta\t{grade}\n")
    judged = relevant(load("beir", folder, tmp_path / "cache"))
    assert judged == {("en", "Where?"): {} if kept is None else {"en:a": kept}}


@pytest.mark.parametrize("kind", ["beir", "miracl"])
def test_contradicting_judgements_name_both_lines(tmp_path: Path, kind: str) -> None:
    if kind == "beir":
        folder = beir(tmp_path / "data", "en", {"a": "Rome"}, {"q": "Where?"}, "q\ta\t1\nq\ta\t0\n")
    else:
        folder = miracl(tmp_path / "data", qrels="7\tQ0\t9#0\t0\n7\tQ0\t1#0\t1\n7\tQ0\t1#0\t2\n")
    with pytest.raises(
        InputError, match=r"tsv:3: gives passage '.+' of query '.' the grade ., and .*tsv:2 gives it "
    ):
        load(kind, folder, tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"_id": "a", "text": "Rome"}]', r"corpus\.jsonl: is one JSON document, not JSON Lines"),
        (b'{\n"a": {"text": "Rome"}\n}', r"corpus\.jsonl: is one JSON document, not JSON Lines"),
        ('{"_id": "a", "text": "Rome"}'.encode("utf-16"), r"corpus\.jsonl: is in UTF-16 or UTF-32; convert it"),
        ('{"_id": "a", "text": "Rome"}'.encode("utf-32-le"), r"corpus\.jsonl: is in UTF-16 or UTF-32; convert it"),
        (b'{"_id": "a", "text": "Rom\xe9"}', r"corpus\.jsonl:1: byte 26 is not UTF-8; convert the file"),
        (b'{"_id": true, "text": "Rome"}', r"corpus\.jsonl:1: _id: Input should be a valid string"),
    ],
)
def test_other_kinds_of_files_are_told_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    folder = beir(tmp_path / "data", "en", {"a": "Rome"}, {"q": "Where?"}, "q\ta\t1\n")
    (folder / "en/corpus.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load("beir", folder, tmp_path / "cache")


def test_a_beir_folder_without_languages_is_told_where_its_files_belong(tmp_path: Path) -> None:
    beir(tmp_path, "data", {"a": "Rome"}, {"q": "Where?"}, "q\ta\t1\n")  # data/corpus.jsonl
    with pytest.raises(
        InputError, match=r"its files need a folder of their language; move corpus, .* into .*data/en"
    ):
        load("beir", tmp_path / "data", tmp_path / "cache")
