"""`python -m sweep.data`: a corpus is looked at, and its rows are written."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Sweep
from tests.integration.test_pipes import unread

from sweep.data.row_writer import write_rows
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError

MODULE = "sweep.data.__main__"
GERMAN = [
    f"Der Zug nach {place} fährt heute leider erst am späten Abend ab." for place in ("Ulm", "Köln", "Bonn")
] * 5
ENGLISH = [f"The train to {place} does not leave before the late evening." for place in ("York", "Bath", "Hull")] * 5


def squad(folder: Path, **texts: list[str]) -> Path:
    """A file a language; the questions of line n in all languages are a translation group."""
    folder.mkdir(exist_ok=True)
    for language, lines in texts.items():
        paragraphs = [
            {
                "context": f"{line} {number}",
                "qas": [
                    {
                        "id": f"q{number}",
                        "question": f"{number}: {line}?",
                        "answers": [{"text": line, "answer_start": 0}],
                    }
                ],
            }
            for number, line in enumerate(lines)
        ]
        document = {"data": [{"title": "t", "paragraphs": paragraphs}]}
        (folder / f"{language}.json").write_text(json.dumps(document))
    return folder


def slow_counts(folder: Path, languages: list[str]) -> dict[str, Any]:
    """Questions by language, and groups by pair of languages, straight from the files."""
    ids = {
        code: {
            answer["id"]
            for article in json.loads((folder / f"{code}.json").read_text())["data"]
            for paragraph in article["paragraphs"]
            for answer in paragraph["qas"]
        }
        for code in languages
    }
    pairs = {one: {other: len(ids[one] & ids[other]) for other in languages} for one in languages}
    return {"questions": {code: len(ids[code]) for code in languages}, "pairs": pairs}


def test_counts_of_mlqa_r_are_those_of_its_files(sweep: Sweep, assets: Path) -> None:
    folder = assets / "data" / "mlqa-r"
    done = sweep("data=squad", f"data.path={folder}", "format=json", module=MODULE)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    slow = slow_counts(folder, ["ar", "de", "en", "es", "hi"])
    assert {one["code"]: one["questions"]["items"] for one in report["languages"]} == slow["questions"]
    assert report["pairs"] == slow["pairs"]
    assert report["rows"] == sum(slow["questions"].values()) == 3184
    assert (report["groups"], report["files"], report["equal_rows"]) == (1148, 5, 0)
    assert report["bytes"] == sum(file.stat().st_size for file in folder.glob("*.json"))
    assert [one["name"] for one in report["languages"]] == ["Arabic", "German", "English", "Spanish", "Hindi"]
    assert [one["tier"] for one in report["languages"]] == ["high"] * 4 + ["mid"]
    assert not any(check["suspicious"] for check in report["checks"])
    assert all(check["others"] <= 2 < 100 < check["decided"] for check in report["checks"])


def test_tokens_of_a_model_and_a_benchmark(sweep: Sweep, assets: Path) -> None:
    """Counted by its own tokenizer in another way, and so is what is cut."""
    from transformers import AutoTokenizer

    model = assets / "models" / "me5-small"
    done = sweep(
        "inspect", "data=squad", f"data.path={assets}/data/mlqa-r", "languages.train=[en]", "format=json",
        "model=hf", f"model.path={model}", "model.query_prefix='query: '", "model.max_query_tokens=16",
        "evaluation=xquad_r", f"evaluation.path={assets}/data/xquad-r", "languages.evaluate=[en]", "near_copies=null",
        module=MODULE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    english = report["languages"][0]["questions"]
    articles = json.loads((assets / "data" / "mlqa-r" / "en.json").read_text())["data"]
    questions = [qa["question"] for article in articles for part in article["paragraphs"] for qa in part["qas"]]
    tokenizer = AutoTokenizer.from_pretrained(model)
    sizes = [len(tokenizer.encode(f"query: {text}")) for text in questions]
    assert english["tokens"]["longest"] == max(sizes)
    assert english["tokens"]["median"] == sorted(sizes)[(len(sizes) - 1) // 2]
    assert english["cut"] == pytest.approx(sum(size > 16 for size in sizes) / len(sizes))
    overlap = report["overlap"]
    questions_of = overlap["exact"][0]
    assert (questions_of["noun"], questions_of["copies"], questions_of["texts"]) == (
        "questions",
        0,
        1185,
    )  # 5 of 1,190 are there twice
    assert overlap["near"] is None


def test_a_table_names_a_wrongly_declared_language(sweep: Sweep, tmp_path: Path, monkeypatch: Any) -> None:
    folder = squad(tmp_path / "data", de=GERMAN, fr=ENGLISH)
    done = sweep("inspect", "data=squad", f"data.path={folder}", f"picture={tmp_path / 'p.svg'}", module=MODULE)
    assert done.returncode == 0, done.stderr
    assert f"! {2 * len(ENGLISH)} of {2 * len(ENGLISH)}: en" in done.stdout
    assert "fr: 30 of 30 texts are in another language (en 30), such as, in en" in done.stdout
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")
    assert done.stderr == f"Picture: {tmp_path / 'p.svg'}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["expotr"], "unknown command 'expotr'; did you mean 'export'?"),
        (["data=squad"], "data.path"),
        (["data=cldr"], "data.kind=cldr does not say which languages there are"),
        (["data=squad", "data.path=DATA", "format=xml"], "must be one of: table, json"),
        (["data=squad", "data.path=DATA", "picture=p.pdf"], "must end in .png or .svg"),
        (["data=squad", "data.path=DATA", "model=tiny"], "has no tokenizer before it is trained"),
        (["data=squad", "data.path=DATA", "evaluaton=xquad_r"], "did you mean 'evaluation'?"),
        (["data=squad", "data.path=DATA", "languages.train=[de,xx]"], "xx.json: no such file"),
        (["export", "data=squad", "data.path=DATA"], "output is required"),
        (["export", "data=squad", "data.path=DATA", "output=rows.csv"], "must end in .jsonl, .jsonl.gz or .parquet"),
        (["export", "data=squad", "data.path=DATA", "output=none/rows.jsonl"], "a file in a folder that exists"),
        (["export", "data=squad", "data.path=BROKEN", "output=rows.jsonl"], "en.json"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    sweep: Sweep, tmp_path: Path, arguments: list[str], message: str
) -> None:
    squad(tmp_path / "DATA", de=GERMAN, en=ENGLISH)
    squad(tmp_path / "BROKEN", de=GERMAN)
    (tmp_path / "BROKEN" / "en.json").write_text('{"data": [')
    done = sweep(*arguments, module=MODULE)
    assert done.returncode == 2
    assert message in done.stderr
    assert (len(done.stderr.splitlines()), done.stdout) == (1, "")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["BROKEN", "DATA"]


def test_nobody_reads_the_report(tmp_path: Path, cache: Path) -> None:
    folder = squad(tmp_path / "data", de=GERMAN)
    done = unread(tmp_path, cache, "sweep.data", "data=squad", f"data.path={folder}")
    assert (done.returncode, done.stderr) == (141, "")


def test_help_names_both_commands(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--help",), ("inspect", "--help"), ("export", "--help")):
        with pytest.raises(SystemExit) as stop:
            sweep(*arguments, module=MODULE)
        assert stop.value.code == 0


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet"])
def test_exported_rows_are_those_of_the_reader(sweep: Sweep, tmp_path: Path, name: str) -> None:
    folder = squad(tmp_path / "data", de=GERMAN, en=ENGLISH)
    done = sweep("export", "data=squad", f"data.path={folder}", f"output={name}", module=MODULE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"30 rows: {name}"
    expected = [
        {
            "group": f"q{number}",
            "query_language": code,
            "query": f"{number}: {lines[number]}?",
            "passage_language": code,
            "passage": f"{lines[number]} {number}",
            "negatives": [],
            "weight": 1.0,
        }
        for number in range(15)
        for code, lines in (("de", GERMAN), ("en", ENGLISH))
    ]
    written = read(tmp_path / name)
    assert sorted(written, key=str) == sorted(expected, key=str)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["data", name])


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.parquet"])
def test_exported_rows_are_the_same_data_again(sweep: Sweep, tmp_path: Path, name: str) -> None:
    """Read by data=rows, they differ from where they come from only in their files and places."""
    folder = squad(tmp_path / "data", de=GERMAN, en=ENGLISH)
    assert sweep("export", "data=squad", f"data.path={folder}", f"output={name}", module=MODULE).returncode == 0
    reports = []
    for data in (("data=squad", f"data.path={folder}"), ("data=rows", f"data.path={tmp_path / name}")):
        done = sweep("inspect", *data, "languages.train=[de,en]", "format=json", module=MODULE)
        assert done.returncode == 0, done.stderr
        reports.append(json.loads(done.stdout))
    differing = {key for key in reports[0] if reports[0][key] != reports[1][key]}
    assert differing <= {"title", "files", "bytes", "checks", "remarks"}
    assert [one["decided"] for one in reports[0]["checks"]] == [one["decided"] for one in reports[1]["checks"]]


def read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        return list(pq.read_table(file).to_pylist())
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROW = st.tuples(
    TEXT, st.sampled_from(["de", "zh_Hant"]), TEXT, TEXT, st.lists(TEXT, max_size=2).map(tuple),
    st.sampled_from(["", "sw"]), st.floats(0, 10),
).map(lambda values: TrainingRow(*values))  # fmt: skip


@given(st.lists(ROW, max_size=5))
@settings(max_examples=15, deadline=None)
def test_every_format_gives_the_same_rows_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[TrainingRow]
) -> None:
    """Line separators, quotes and control characters included; and the same rows are the same bytes."""
    folder = tmp_path_factory.mktemp("rows")
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
        assert write_rows(iter(rows), folder / name) == len(rows)
        back = [
            TrainingRow(
                row["group"], row["query_language"], row["query"], row["passage"], tuple(row["negatives"]),
                row["passage_language"], row["weight"],
            )
            for row in read(folder / name)
        ]  # fmt: skip
        assert back == [row._replace(passage_language=row.passage_language or row.language) for row in rows]
        write_rows(iter(rows), folder / f"b{name}")
        assert (folder / name).read_bytes() == (folder / f"b{name}").read_bytes()


def _broken() -> Iterator[TrainingRow]:
    yield TrainingRow("g", "en", "q", "p", place="f:1")
    raise InputError("f:2: is broken")


def _half_a_character() -> Iterator[TrainingRow]:
    yield TrainingRow("g", "en", "q", "p", place="f:1")
    yield TrainingRow("g", "en", "q", "p", ("\ud800",), place="f:2")


@pytest.mark.parametrize("rows", [_broken, _half_a_character])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet"])
def test_what_cannot_be_read_or_written_leaves_the_old_file(
    tmp_path: Path, name: str, rows: Callable[[], Iterator[TrainingRow]]
) -> None:
    file = tmp_path / name
    file.write_text("old")
    with pytest.raises(InputError, match="f:2: "):
        write_rows(rows(), file)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert file.read_text() == "old"


def test_a_link_is_replaced_and_not_written_through(sweep: Sweep, tmp_path: Path) -> None:
    folder = squad(tmp_path / "data", de=GERMAN)
    (tmp_path / "other").write_text("another file")
    os.symlink(tmp_path / "other", tmp_path / "rows.jsonl")
    done = sweep("export", "data=squad", f"data.path={folder}", "output=rows.jsonl", module=MODULE)
    assert done.returncode == 0
    assert (tmp_path / "other").read_text() == "another file"
    assert not (tmp_path / "rows.jsonl").is_symlink()
    assert (tmp_path / "rows.jsonl").is_file()
