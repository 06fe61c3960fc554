"""`python -m sweep.mine` from files to a file: with a small encoder, killed and interrupted, and on real data."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.conftest import Sweep
from tests.integration.word_encoder import WORDS, save_word_encoder

from sweep.mining import parts
from sweep.mining.search import Mined, Miner

pytestmark = pytest.mark.slow

LANGUAGES = ("de", "en", "sw")
QUESTIONS = 60


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A small randomly initialised encoder, which matches words."""
    return save_word_encoder(tmp_path_factory.mktemp("model"), cache)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """SQuAD files whose paragraphs are one sentence; every tenth question has two negatives."""
    folder = tmp_path / "squad"
    folder.mkdir()
    for column, code in enumerate(LANGUAGES):
        paragraphs = []
        for number in range(QUESTIONS):
            rng = np.random.default_rng([column, number])
            context = f"{' '.join(rng.choice(WORDS, 9))} {code}."
            question = {"id": f"q{number}", "question": f"{' '.join(context.split()[:4])}?"}
            question |= {"answers": [{"text": context[:4], "answer_start": 0}]}
            if number % 10 == 0:
                question["negatives"] = [f"salt {number} {code}", f"tide {number} {code}"]
            paragraphs.append({"context": context, "sentence_breaks": [[0, len(context)]], "qas": [question]})
        data = {"data": [{"title": "Words", "paragraphs": paragraphs}]}
        (folder / f"{code}.json").write_text(json.dumps(data))
    return folder


def options(model: Path, corpus: Path, *more: str) -> tuple[str, ...]:
    lengths = ("model.max_query_tokens=16", "model.max_passage_tokens=16", "threads=1")
    given = ("data=squad", f"data.path={corpus}", f"languages.train=[{','.join(LANGUAGES)}]", "model=hf")
    return *given, f"model.path={model}", *lengths, "mine.negatives=4", "mine.ranks=[1,20]", *more


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_rows_are_written_with_their_negatives(sweep: Sweep, model: Path, corpus: Path, tmp_path: Path) -> None:
    done = sweep(*options(model, corpus, "output=rows.jsonl", "mine.relative=0.999"), module="sweep.mine")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "rows.jsonl")
    assert len(rows) == 3 * QUESTIONS
    assert list(rows[0]) == [
        "group", "query_language", "query", "passage_language", "passage", "negatives", "negative_languages",
        "weight",
    ]  # fmt: skip
    assert {row["query_language"] for row in rows} == set(LANGUAGES)
    for row in rows:
        assert row["negative_languages"] == [row["passage_language"]] * len(row["negatives"])
        assert all(text.rstrip(".").endswith(row["passage_language"]) for text in row["negatives"])
        assert row["passage"] not in row["negatives"]
        if int(row["group"][1:]) % 10 == 0:
            number, code = row["group"][1:], row["query_language"]
            assert row["negatives"][:2] == [f"salt {number} {code}", f"tide {number} {code}"]
    negatives = sum(len(row["negatives"]) for row in rows)
    assert f"{negatives - 36:,} negatives mined, 36 kept, of 180 rows" in done.stdout
    assert "relevant to the question, in any language" in done.stdout
    assert "mined negatives" in done.stdout
    short = [row for row in rows if len(row["negatives"]) < 4]
    assert (f"{len(short)} of 180 rows have fewer than mine.negatives=4" in done.stdout) == bool(short)
    assert max(map(len, done.stdout.splitlines()[1:-4])) <= 80  # the tables

    again = sweep(*options(model, corpus, "output=rows.parquet", "mine.relative=0.999"), module="sweep.mine")
    assert again.returncode == 0, again.stderr
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == rows


def test_languages_are_balanced_and_negatives_replaced(
    sweep: Sweep, model: Path, corpus: Path, tmp_path: Path
) -> None:
    changed = ("mine.language=balanced", "mine.keep=false", "mine.draw=random", "mine.relative=null")
    done = sweep(*options(model, corpus, "output=rows.jsonl", *changed), module="sweep.mine")
    assert done.returncode == 0, done.stderr
    for row in rows_of(tmp_path / "rows.jsonl"):
        counts = [row["negative_languages"].count(code) for code in LANGUAGES]
        assert sorted(counts) == [1, 1, 2]
        for text, code in zip(row["negatives"], row["negative_languages"], strict=True):
            assert text.rstrip(".").endswith(code)


KILLED = """
import os, signal, sys
from sweep.mining import parts
parts.ROWS_PER_PART = 40
mine, mined = parts.Miner.mine, []

def killed(miner, rows):
    if rows.start == 80:
        os.kill(os.getpid(), signal.SIGKILL)
    return mine(miner, rows)

parts.Miner.mine = killed
from sweep.mine import main
main(sys.argv[1:])
"""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Parts of 40 rows, as in KILLED, and the first row of each that is mined; at row 120 comes a Ctrl-C, once."""
    mine, mined = Miner.mine, list[int]()

    def counted(miner: Miner, rows: range) -> Mined:
        mined.append(rows.start)
        if rows.start == 120 and mined.count(120) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return mine(miner, rows)

    monkeypatch.setattr(parts, "ROWS_PER_PART", 40)
    monkeypatch.setattr(Miner, "mine", counted)
    return mined


def test_a_killed_command_goes_on_and_ends_with_the_same_bytes(
    sweep: Sweep, model: Path, corpus: Path, tmp_path: Path, small_parts: list[int]
) -> None:
    given = options(
        model, corpus, "mine.draw=random", "mine.language=any", "mine.relative=null", "output=rows.parquet"
    )
    output = tmp_path / "rows.parquet"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", KILLED, *given, "paths.cache=one"]
    killed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    interrupted = sweep(*given, "paths.cache=one", module="sweep.mine")
    assert interrupted.returncode == 130, interrupted.stderr
    assert interrupted.stderr.startswith("interrupted; ")
    assert interrupted.stderr.endswith("the same command goes on from there\n")
    assert not output.exists()
    done = sweep(*given, "paths.cache=one", module="sweep.mine")
    assert done.returncode == 0, done.stderr
    assert small_parts == [80, 120, 120, 160]
    resumed = output.read_bytes()
    whole = sweep(*given, "paths.cache=another", module="sweep.mine")
    assert whole.returncode == 0, whole.stderr
    assert small_parts[4:] == [0, 40, 80, 120, 160]
    assert output.read_bytes() == resumed
    assert whole.stdout == done.stdout
    for folder in ("one", "another"):  # what was kept to go on from is gone, and the embeddings are there
        assert [file.suffix for file in (tmp_path / folder / "mining").iterdir()] == [".lock"]
        assert len(list((tmp_path / folder / "embeddings").rglob("embeddings.npy"))) == 2


def test_two_at_once_do_not_mine_the_same(
    sweep: Sweep, model: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, mine, others = options(model, corpus, "output=rows.jsonl", "paths.cache=own"), Miner.mine, []

    def meanwhile(miner: Miner, rows: range) -> Mined:
        others.append(sweep(*given, module="sweep.mine"))
        return mine(miner, rows)

    monkeypatch.setattr(Miner, "mine", meanwhile)
    assert sweep(*given, module="sweep.mine").returncode == 0
    assert [other.returncode for other in others] == [1]
    assert others[0].stderr == "error: another process mines the very same now; wait for it, or stop it\n"


def test_other_data_are_mined_anew(sweep: Sweep, model: Path, corpus: Path, tmp_path: Path) -> None:
    first = sweep(*options(model, corpus, "output=rows.jsonl", "mine.relative=null"), module="sweep.mine")
    assert first.returncode == 0, first.stderr
    before = rows_of(tmp_path / "rows.jsonl")
    file = corpus / "en.json"
    file.write_text(file.read_text().replace("lake", "loch"))
    again = sweep(*options(model, corpus, "output=rows.jsonl", "mine.relative=null"), module="sweep.mine")
    assert again.returncode == 0, again.stderr
    after = rows_of(tmp_path / "rows.jsonl")
    assert any("loch" in text for row in after for text in row["negatives"])
    assert before != after


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("output=rows.csv",), "output=rows.csv: its name must end in .jsonl or .parquet"),
        (("output=nowhere/rows.jsonl",), "output=nowhere/rows.jsonl: must be a file in a folder that exists"),
        (("output=rows.jsonl", "languages.train=[]"), "languages.train is empty"),
        (("output=rows.jsonl", "languages.train=[en,th]"), "th.json: no such file"),
        (("output=rows.jsonl", "mine.ranks=[1,2]"), "ranks 1 to 2 are fewer than 4 negatives"),
    ],
)
def test_bad_input_is_one_message(
    changed: tuple[str, ...], message: str, sweep: Sweep, model: Path, corpus: Path, tmp_path: Path
) -> None:
    done = sweep(*options(model, corpus, *changed), module="sweep.mine")
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("rows*"))


@pytest.mark.parametrize("output", ["rows.jsonl", "nested/../rows.jsonl", "link.jsonl"])
def test_the_data_themselves_are_not_written_over(output: str, sweep: Sweep, model: Path, tmp_path: Path) -> None:
    (tmp_path / "nested").mkdir()
    (tmp_path / "link.jsonl").symlink_to("rows.jsonl")
    rows = [{"language": "en", "query": f"lake {number}", "passage": f"river {number}"} for number in range(12)]
    content = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(content)
    data = ("data=rows", "data.path=rows.jsonl", "languages.train=[en]", f"output={output}")
    lengths = ("model.max_query_tokens=16", "model.max_passage_tokens=16")
    done = sweep(*data, "model=hf", f"model.path={model}", *lengths, "threads=1", module="sweep.mine")
    assert done.returncode == 2, done.stdout
    assert done.stderr == f"error: output={output}: is a file that the data are read from; choose another name\n"
    assert (tmp_path / "rows.jsonl").read_text() == content


def test_an_untrained_model_is_refused(sweep: Sweep) -> None:
    done = sweep("data=cldr", "languages=cldr_6", "model=tiny", "output=rows.jsonl", module="sweep.mine")
    assert done.returncode == 2
    assert "model=tiny has no weights before it is trained; choose model=hf" in done.stderr


def test_broken_data_leave_nothing(sweep: Sweep, model: Path, corpus: Path, tmp_path: Path) -> None:
    file = corpus / "sw.json"
    file.write_text(file.read_text()[:-40])
    done = sweep(*options(model, corpus, "output=rows.jsonl", "paths.cache=kept"), module="sweep.mine")
    assert done.returncode == 2
    assert "sw.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_real_questions_get_negatives_that_do_not_answer_them(assets: Path, sweep: Sweep, tmp_path: Path) -> None:
    done = sweep(
        "data=xquad_r", f"data.path={assets}/data/xquad-r", "data.max_questions=12", "languages.train=[en,th]",
        "model=me5_small", f"model.path={assets}/models/me5-small", "threads=1", "mine.negatives=3",
        "mine.ranks=[1,8]", "output=rows.jsonl", module="sweep.mine",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "rows.jsonl")
    assert len(rows) == 24
    answered = {(row["group"], row["passage"]) for row in rows}
    for row in rows:
        assert len(row["negatives"]) > 0
        assert not any((row["group"], text) in answered for text in row["negatives"])
