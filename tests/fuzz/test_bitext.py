"""Bitext in damaged and edited files: a right result, or one line. A result is compared with another reading."""

import codecs
import xml.etree.ElementTree as ElementTree  # of the tests' own files, after the reader took them
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from sweep.data.benchmark import Benchmark
from sweep.data.next_sentences import NextSentences
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError
from sweep.settings.language import named_language
from tests.fuzz.damage import damaged, refused, tries
from tests.unit.test_bitext import ENGLISH, SWAHILI, languages, read_all, tmx, units
from tests.unit.test_ntrex import IDS, evaluation, sentence

LINES = {"en": "\n".join(ENGLISH).encode() + b"\n", "sw": "\r\n".join(SWAHILI).encode() + b"\r\n"}
MEMORY = tmx(units(*zip(ENGLISH, SWAHILI, strict=True))).encode()
WORDS = st.text(st.sampled_from("aé\u2028\x85\x0b\x1c \t<&\u202eሕ\ufeff"), max_size=4)


def trained(files: dict[str, bytes], pairs: str) -> list[TrainingRow] | None:
    """The rows of a folder with these files; None if they are refused in one clear line."""
    with TemporaryDirectory() as name:
        for file, content in files.items():
            Path(name, file).write_bytes(content)
        try:
            return read_all(Path(name), languages("en", "sw"), pairs=pairs, documents=None)[0]
        except InputError as error:
            refused(error)
            return None


def lines_of(content: bytes) -> list[str]:
    text = content.removeprefix(codecs.BOM_UTF8).decode()
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []


def expected(one: list[str], other: list[str], pairs: str) -> list[frozenset[str]]:
    """The texts of each group."""
    assert len(one) == len(other)
    if pairs == "translation":
        return [frozenset(pair) for pair in zip(one, other, strict=True) if all(pair)]
    groups = []
    for line in range(len(one) - 1):
        whole = [texts[line : line + 2] for texts in (one, other) if all(texts[line : line + 2])]
        if whole:
            groups.append(frozenset(text for texts in whole for text in texts))
    return groups


def texts_by_group(rows: list[TrainingRow]) -> list[frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row.group, set()).update((row.question, row.passage))
    return [frozenset(texts) for texts in groups.values()]


def check_lines(contents: dict[str, bytes], pairs: str) -> bool:
    rows = trained({f"a.en-sw.{code}": content for code, content in contents.items()}, pairs)
    if rows is None:
        return False
    read = {code: lines_of(content) for code, content in contents.items()}
    assert texts_by_group(rows) == expected(read["en"], read["sw"], pairs)
    return True


def check_memory(content: bytes) -> bool:
    rows = trained({"m.tmx": content}, "translation")
    if rows is None:
        return False
    groups = []
    for unit in ElementTree.fromstring(content).findall("./*/tu"):
        texts: dict[str, str] = {}
        for variant in unit.iter("tuv"):
            tag = variant.get("{http://www.w3.org/XML/1998/namespace}lang") or variant.get("lang") or ""
            code = (named_language(tag.strip()) or "").split("_")[0]
            segment = variant.find("seg")
            text = "" if segment is None else " ".join((segment.text or "").split())
            if text:
                texts.setdefault(code, text)
        if {"en", "sw"} <= texts.keys():
            groups.append(frozenset((texts["en"], texts["sw"])))
    assert texts_by_group(rows) == groups
    return True


def test_whole_files_are_read() -> None:
    """Else the tests here would say nothing."""
    assert check_lines(LINES, "translation")
    assert check_lines(LINES, "neighbour")
    assert check_memory(MEMORY)
    assert evaluated({}) is not None


@tries(250)
@given(st.sampled_from(["en", "sw"]), st.sampled_from(["translation", "neighbour"]), st.data())
def test_damaged_lines(code: str, pairs: str, data: st.DataObject) -> None:
    check_lines({**LINES, code: data.draw(damaged(LINES[code]))}, pairs)


@tries(250)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5), st.sampled_from(["translation", "neighbour"]))
def test_lines_as_people_write_them(pairs: list[tuple[str, str]], kind: str) -> None:
    check_lines({code: "".join(f"{line[n]}\n" for line in pairs).encode() for n, code in enumerate(LINES)}, kind)


@tries(350)
@given(st.data())
def test_damaged_memories(data: st.DataObject) -> None:
    check_memory(data.draw(damaged(MEMORY)))


# The benchmark ------------------------------------------------------------------------------------------------

FILES = {
    "en.txt": "".join(f"{sentence('en', line)}\n" for line in range(1, 13)).encode(),
    "sw.txt": "".join(f"{sentence('sw', line)}\n" for line in range(1, 13)).encode(),
    "DOCUMENT_IDS.tsv": "".join(f"{name}\n" for name in IDS[:12]).encode(),
}


def evaluated(changed: dict[str, bytes]) -> Benchmark | None:
    with TemporaryDirectory() as name:
        for file, content in (FILES | changed).items():
            Path(name, file).write_bytes(content)
        try:
            return NextSentences().load(evaluation(Path(name), train_share=0.0), ("en", "sw"), Path(name))
        except InputError as error:
            refused(error)
            return None


@tries(250)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_documents(file: str, data: st.DataObject) -> None:
    contents = FILES | {file: data.draw(damaged(FILES[file]))}
    bench = evaluated(contents)
    if bench is None:
        return
    read = {code: lines_of(contents[f"{code}.txt"]) for code in ("en", "sw")}
    ids = [line.split("\t")[0].strip() for line in lines_of(contents["DOCUMENT_IDS.tsv"])]
    for question, relevant in zip(bench.questions, bench.relevant_q, strict=True):
        line = int(question.group.removeprefix("toy:"))
        assert ids[line - 1] == ids[line]
        assert question.text == read[question.language][line - 1]
        assert {bench.passages[row].text for row in relevant} == {read[code][line] for code in read} - {""}
