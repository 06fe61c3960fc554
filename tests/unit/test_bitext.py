"""Bitext as it is published: OPUS' pairs, translation memories, and folders of line-parallel files."""

import gzip
import io
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_squad import own_corpus

from sweep.data.bitext import BitextTraining
from sweep.data.registry import TRAINING
from sweep.data.remarks import Remark, remark_lines
from sweep.data.tmx import tmx_units
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError
from sweep.settings import BitextData, LanguageSettings, MixData
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

ENGLISH = ["The sea is wide.", "A ship sails.", "The port is near.", "Night falls."]
SWAHILI = ["Bahari ni pana.", "Meli inasafiri.", "Bandari iko karibu.", "Usiku unaingia."]
AMHARIC = ["ባሕሩ ሰፊ ነው።", "መርከብ ይጓዛል።", "ወደቡ ቅርብ ነው።", "ሌሊት ሆነ።"]
TEXTS = {"en": ENGLISH, "sw": SWAHILI, "am": AMHARIC}
SEGMENTS = '<tuv xml:lang="EN-GB"><seg>{}</seg></tuv><tuv xml:lang="sw"><seg>{}</seg></tuv>'


def settings(folder: Path, **changes: Any) -> BitextData:
    fields = {"kind": "bitext", "corpus": own_corpus(), "path": str(folder), "pairs": "translation",
              "documents": "DOCUMENT_IDS.tsv", "train_share": 1.0}  # fmt: skip
    return BitextData.model_validate({**fields, **changes})


def languages(*train: str) -> LanguageSettings:
    return LanguageSettings(train=train, evaluate=None, tiers=None)


def read(folder: Path, *train: str, **changes: Any) -> list[TrainingRow]:
    return read_all(folder, languages(*train), **changes)[0]


def read_all(folder: Path, grid: LanguageSettings, **changes: Any) -> tuple[list[TrainingRow], tuple[str, ...]]:
    """The rows, and what is said of them."""
    rows = BitextTraining().open(settings(folder, **changes), grid, folder)
    remarks: list[Remark] = []
    return list(rows.read(remarks)), remark_lines(rows.title, remarks)


def write(file: Path, texts: list[str]) -> Path:
    """A line each; gzipped if the name ends so."""
    content = "".join(f"{text}\n" for text in texts).encode()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def folder_of(folder: Path, names: dict[str, str], **changed: list[str]) -> Path:
    """A folder with the file of that name for each language."""
    for code, name in names.items():
        write(folder / name, changed.get(code, TEXTS[code]))
    return folder


TXT = {code: f"{code}.txt" for code in TEXTS}


def tmx(body: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> str:
    return (
        f'{head}\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4"><header creationtool="x" segtype="sentence" '
        f'adminlang="en" srclang="en" datatype="unknown"/>\n<body>\n{body}\n</body></tmx>\n'
    )


def units(*pairs: tuple[str, str]) -> str:
    return "\n".join(f"<tu>{SEGMENTS.format(*pair)}</tu>" for pair in pairs)


# The files of a folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [
    {"en": "Tanzil.en-sw.en", "sw": "Tanzil.en-sw.sw"},
    {"en": "QED.en-sw.en.gz", "sw": "QED.en-sw.sw.gz"},
    {"en": "train.en", "sw": "train.sw"},
    {"en": "eng.txt", "sw": "swa.txt"},
    {"en": "newstest2019-src.eng.txt", "sw": "newstest2019-ref.swa.txt"},
    {"en": "flores.eng_Latn.txt", "sw": "flores.swh_Latn.txt.gz"},
])  # fmt: skip
def test_the_same_sentences_in_every_layout(tmp_path: Path, names: dict[str, str]) -> None:
    for name in ("README", "LICENSE", ".hidden.en"):
        (tmp_path / name).write_text("A file that comes with it.\n")
    rows = read(folder_of(tmp_path, names), "en", "sw")
    assert {frozenset((row.question, row.passage)) for row in rows} == {
        frozenset(pair) for pair in zip(ENGLISH, SWAHILI, strict=True)
    }
    assert len(rows) == 4
    assert rows[0].place.split("/")[-1] == f"{names[rows[0].language]}:1"


def test_several_pairs_in_a_folder(tmp_path: Path) -> None:
    folder_of(tmp_path, {"en": "a.en-sw.en", "sw": "a.en-sw.sw"})
    folder_of(tmp_path, {"en": "a.am-en.en", "am": "a.am-en.am"})
    rows = read(tmp_path, "en", "sw", "am")
    assert Counter(frozenset((row.language, row.passage_language)) for row in rows) == {
        frozenset(("en", "sw")): 4, frozenset(("am", "en")): 4,
    }  # fmt: skip
    assert len({row.group for row in rows}) == 8
    assert {row.passage_language for row in read(tmp_path, "en", "sw")} <= {"en", "sw"}


OTHER_FILES = ("{}.log", "{}.ids", "{}.xml", "{}.XML.gz", "all.txt", "{}.zz", "{}.src", "LICENSE.txt")


@pytest.mark.parametrize("stem", ["train", "pre-set", "Books.en-sw"])
def test_names_that_end_in_no_language_are_passed_over(tmp_path: Path, stem: str) -> None:
    """Nearly every word of three letters is the code of some language."""
    for name in OTHER_FILES:
        (tmp_path / name.format(stem)).write_bytes(b"A file that comes with it.\n")
    folder_of(tmp_path, {code: f"{stem}.{code}" for code in ("en", "sw")})
    assert BitextTraining().languages(settings(tmp_path)) == ("en", "sw")
    assert len(read(tmp_path, "en", "sw", train_share=0.99, documents=None)) == 4


def test_a_small_language_whose_code_says_something_else(tmp_path: Path) -> None:
    folder_of(tmp_path, {"en": "en.txt", "am": "all_Mlym.txt"})
    assert BitextTraining().languages(settings(tmp_path)) == ("all_Mlym", "en")
    other = tmp_path / "other"
    other.mkdir()
    folder_of(other, {"en": "JW300.en-bin.en", "am": "JW300.en-bin.bin"})
    assert BitextTraining().languages(settings(other)) == ("bin", "en")


def test_a_folder_in_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "NTREX-128"
    inner.mkdir()
    folder_of(inner, {"en": "newstest2019-src.eng.txt", "sw": "newstest2019-ref.swa.txt"})
    write(inner / "newstest2019-ref-2.swa.txt", AMHARIC)  # a second reference, as NTREX has one of Spanish
    write(tmp_path / "DOCUMENT_IDS.tsv", ["a", "a", "b", "b"])
    assert len(read(tmp_path, "en", "sw")) == 4
    assert {row.group for row in read(tmp_path, "en", "sw", pairs="neighbour")} == {"toy:1", "toy:3"}
    assert {row.group for row in read(inner, "en", "sw", pairs="neighbour")} == {"toy:1", "toy:3"}


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_ends_of_lines_are_no_text(tmp_path: Path, mark: str, ends: str) -> None:
    (tmp_path / "en.txt").write_bytes((mark + ends.join(ENGLISH) + ends).encode())
    write(tmp_path / "sw.txt", [f" {text}\t" for text in SWAHILI])
    rows = read(tmp_path, "en", "sw")
    assert {text for row in rows for text in (row.question, row.passage)} == {*ENGLISH, *SWAHILI}


def test_lines_end_where_the_files_end_them(tmp_path: Path) -> None:
    """Unicode's own separators of lines are within the sentences of real files."""
    folder_of(tmp_path, TXT, en=["One\u2028two\x85three", *ENGLISH[1:]])
    assert any("One\u2028two\x85three" in row for row in read(tmp_path, "en", "sw"))


# Translations -------------------------------------------------------------------------------------------------


def test_no_sentence_is_its_own_passage(tmp_path: Path) -> None:
    """Each language of a group is in one role, and so no row of the group is monolingual."""
    many = {code: [f"{text} {number}" for number in range(50) for text in texts] for code, texts in TEXTS.items()}
    rows = read(folder_of(tmp_path, TXT, **many), *TEXTS)
    roles: dict[str, tuple[set[str], set[str]]] = {}
    for row in rows:
        asking, answering = roles.setdefault(row.group, (set(), set()))
        asking.add(row.language)
        answering.add(row.passage_language)
    assert len(roles) == 200
    for asking, answering in roles.values():
        assert asking | answering == set(TEXTS)
        assert not asking & answering
    pairs = Counter((one, other) for asking, answering in roles.values() for one in asking for other in answering)
    assert len(pairs) == 6
    assert min(pairs.values()) > 45  # 200 groups, each with 2 of 6
    assert rows == read(tmp_path, *TEXTS)


def test_blank_lines_leave_the_group_out_of_their_language(tmp_path: Path) -> None:
    folder_of(tmp_path, TXT, sw=[SWAHILI[0], "", " \t", SWAHILI[3]], am=["", "", AMHARIC[2], AMHARIC[3]])
    rows, notes = read_all(tmp_path, languages(*TEXTS))
    texts = {row.group: {*row[2:4]} for row in rows if row.group != "toy:4"}
    assert texts == {"toy:1": {ENGLISH[0], SWAHILI[0]}, "toy:3": {ENGLISH[2], AMHARIC[2]}}
    assert notes == (
        "data 'toy': lines or units that are blank in the language or lack it, left out of it: sw 2 of 4, am 2 of 4; "
        f"the first: {tmp_path}/sw.txt:2",
        "data 'toy': 1 of 4 lines or units have too few languages",
    )


# Neighbours ---------------------------------------------------------------------------------------------------


def neighbours(folder: Path, ids: list[str] | None, **changes: Any) -> set[tuple[str, str, str, str, str]]:
    if ids is not None:
        write(folder / "DOCUMENT_IDS.tsv", ids)
    rows = read(folder, "en", "sw", pairs="neighbour", **changes)
    return {(row.group, row.language, row.question, row.passage, row.passage_language) for row in rows}


def test_the_next_sentence_of_the_document(tmp_path: Path) -> None:
    rows = neighbours(folder_of(tmp_path, TXT), ["x", "x", "x", "y"])
    assert rows == {
        (f"toy:{number}", code, one, other, code)
        for code in ("en", "sw")
        for number, (one, other) in enumerate(pairwise(TEXTS[code][:3]), start=1)
    }


def test_a_blank_line_has_no_neighbours_in_its_language(tmp_path: Path) -> None:
    rows = neighbours(folder_of(tmp_path, TXT, sw=[*SWAHILI[:3], ""]), ["x"] * 4)
    assert {row[0] for row in rows if row[1] == "sw"} == {"toy:1", "toy:2"}
    assert {row[0] for row in rows if row[1] == "en"} == {"toy:1", "toy:2", "toy:3"}


def test_a_file_as_one_document_must_be_asked_for(tmp_path: Path) -> None:
    folder_of(tmp_path, TXT)
    with pytest.raises(InputError, match=r"am\.txt: the documents .* data\.pairs=neighbour .* data\.documents=null"):
        neighbours(tmp_path, None)
    assert len(neighbours(tmp_path, None, documents=None)) == 6


def test_only_what_is_read_is_named(tmp_path: Path) -> None:
    """A training set is made anew when one of its files changes, and no sooner."""
    write(folder_of(tmp_path, TXT) / "DOCUMENT_IDS.tsv", ["a", "a", "b", "c"])
    for changes, names in (
        ({}, {"en.txt", "sw.txt"}),
        ({"pairs": "neighbour"}, {"en.txt", "sw.txt", "DOCUMENT_IDS.tsv"}),
        ({"train_share": 0.9}, {*TXT.values(), "DOCUMENT_IDS.tsv"}),  # held-out texts, in whatever language
    ):
        rows = BitextTraining().open(settings(tmp_path, **changes), languages("en", "sw"), tmp_path)
        assert {file.name for file in rows.files} == names


def test_documents_of_opus(tmp_path: Path) -> None:
    folder_of(tmp_path, {"en": "Books.en-sw.en", "sw": "Books.en-sw.sw"})
    ids = ["en/a.xml.gz\tsw/a.xml.gz\ts1\ts1", "en/a.xml.gz\tsw/a.xml.gz\ts2\ts2 s3",
           "en/b.xml.gz\tsw/b.xml.gz\ts1\ts1", "en/b.xml.gz\tsw/b.xml.gz\ts2\ts2"]  # fmt: skip
    write(tmp_path / "Books.en-sw.ids", ids)
    assert {row[0] for row in neighbours(tmp_path, None)} == {"toy:Books.en-sw:1", "toy:Books.en-sw:3"}


def test_held_out_texts_need_some_bytes_each(tmp_path: Path) -> None:
    count = 10_000
    for code in ("en", "sw"):
        write(tmp_path / f"{code}.txt", [f"{code} {number}" for number in range(count)])
    write(tmp_path / "DOCUMENT_IDS.tsv", [f"document {number // 2}" for number in range(count)])
    tracemalloc.start()
    rows = read(tmp_path, "en", "sw", pairs="neighbour", train_share=0.001)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < len(rows) < 100
    assert peak < 30 * 2 * count


# Translation memories -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_a_translation_memory(tmp_path: Path, encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    content = tmx(units(*zip(ENGLISH, SWAHILI, strict=True)), head).encode(encoding)
    (tmp_path / "Tanzil.tmx").write_bytes(content)
    rows = read(tmp_path, "en", "sw")
    assert [{*row[2:4]} for row in rows] == [{*pair} for pair in zip(ENGLISH, SWAHILI, strict=True)]
    assert rows[1].place == f"{tmp_path}/Tanzil.tmx: unit 2"
    (tmp_path / "Tanzil.tmx").unlink()
    (tmp_path / "Tanzil.tmx.gz").write_bytes(gzip.compress(content))
    packed = read(tmp_path, "en", "sw")
    assert [{*row[2:4]} for row in packed] == [{*row[2:4]} for row in rows]


def segments(tmp_path: Path, body: str, *wanted: str) -> list[dict[str, str]]:
    file = tmp_path / "m.tmx"
    file.write_text(tmx(body))
    return [unit.texts for unit in tmx_units(file, wanted)]


def test_what_a_unit_has_in_a_language(tmp_path: Path) -> None:
    body = """
      <tu tuid="1"><note>Not <b>this</b></note><prop type="x">nor this</prop>
        <tuv xml:lang="en-US"><prop type="y">nor this</prop><seg>Press <bpt i="1">&lt;b></bpt>the <hi>big</hi>
          key<ept i="1">&lt;/b></ept> &amp; go<ph>{0}</ph>.</seg></tuv>
        <tuv xml:lang="pt-BR"><seg>Tecla do Brasil</seg></tuv><tuv xml:lang="pt-PT"><seg>Tecla</seg></tuv>
        <tuv lang="SW"><seg>Kitufe</seg></tuv><tuv xml:lang="x-none"><seg>?</seg></tuv>
      </tu>
      <tu><tuv xml:lang="en"><seg>First</seg></tuv><tuv xml:lang="en"><seg>Second</seg></tuv>
        <tuv xml:lang="sw"><seg/></tuv><tuv xml:lang="pt"><seg> </seg></tuv></tu>"""
    assert segments(tmp_path, body, "en", "pt", "sw") == [
        {"en": "Press the big key & go.", "pt": "Tecla do Brasil", "sw": "Kitufe"}, {"en": "First"},
    ]  # fmt: skip
    assert segments(tmp_path, body, "pt", "pt_PT")[0] == {"pt": "Tecla do Brasil", "pt_PT": "Tecla"}


def test_a_memory_in_a_mix_need_not_have_all_languages(tmp_path: Path) -> None:
    """Only its content says which ones it has."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one/m.tmx").write_text(tmx(units(*zip(ENGLISH, SWAHILI, strict=True))))
    (tmp_path / "other").mkdir()
    folder_of(tmp_path / "other", {"en": "en.txt", "am": "am.txt"})
    sources = {name: settings(tmp_path / name) for name in ("one", "other")}
    mixed = TRAINING["mix"].open(MixData(kind="mix", sources=sources), languages("en", "sw", "am"), tmp_path)
    remarks: list[Remark] = []
    rows = list(mixed.read(remarks))
    assert Counter((row.source, frozenset((row.language, row.passage_language))) for row in rows) == {
        ("one", frozenset(("en", "sw"))): 4, ("other", frozenset(("en", "am"))): 4,
    }  # fmt: skip
    assert "one: " in remark_lines("", remarks)[0]
    with pytest.raises(InputError, match=r"^data\.sources\.one: .*no line or unit has a text in am; remove it from"):
        list(TRAINING["mix"].open(MixData(kind="mix", sources=sources), languages("am"), tmp_path).read([]))


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION = f'<?xml version="1.0"?><!DOCTYPE tmx [<!ENTITY l0 "lol">{LAUGHS}]><tmx><body><tu><tuv xml:lang="en"><seg>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE tmx [<!ENTITY x SYSTEM "file:///etc/passwd">]><tmx><body>&x;</body></tmx>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{BILLION}&l9;</seg></tuv></tu></body></tmx>", r"m\.tmx: declares an XML entity"),
        (OUTSIDE, r"m\.tmx: declares an XML entity"),
        ("<html><body/></html>", r"m\.tmx: is no TMX: it begins with <html>"),
        (tmx(units(("a", "b")))[:-20], r"m\.tmx:5: is not well-formed XML at column"),
        (tmx("<tu><tuv><seg>a</seg></tuv></tu>"), r"m\.tmx: unit 1: has a <tuv> without xml:lang"),
        (tmx(units(("a & b", "c"))), r"m\.tmx:5: is not well-formed XML at column"),
        (tmx("", '<?xml version="1.0" encoding="klingon"?>'), r"m\.tmx(:1)?: (is not well-formed|cannot be read)"),
        (tmx(""), r"m\.tmx: of 0 lines or units none can be trained on"),
        (tmx('<tu><tuv xml:lang="de"><seg>a</seg></tuv></tu>'), r"no line or unit has a text in en, sw; remove"),
        (b"", r"m\.tmx:1: is not well-formed XML"),
        (b"\xff\xfe", r"m\.tmx:1: is not well-formed XML"),
    ],
)
def test_a_bad_translation_memory_is_refused_in_a_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "m.tmx").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, "en", "sw")
    assert "\n" not in str(caught.value)


def test_elements_nested_without_end_are_read(tmp_path: Path) -> None:
    deep = "<hi>" * 20_000 + "key" + "</hi>" * 20_000
    assert segments(tmp_path, units((deep, "kitufe")), "en", "sw") == [{"en": "key", "sw": "kitufe"}]


def test_a_memory_needs_memory_for_a_unit(tmp_path: Path) -> None:
    file = tmp_path / "m.tmx.gz"
    with gzip.open(file, "wt", compresslevel=1) as out:
        head, tail = tmx("\0").split("\0")
        out.write(head)
        for number in range(3_000):
            out.write(units((f"Sentence {number}", f"Sentensi {number}")))
        out.write(tail)
    tracemalloc.start()
    assert sum(1 for _ in tmx_units(file, ("en", "sw"))) == 3_000
    assert tracemalloc.get_traced_memory()[1] < 500_000
    tracemalloc.stop()


# Bad input ----------------------------------------------------------------------------------------------------


def damaged_gzip() -> bytes:
    return gzip.compress("".join(f"{text}\n" for text in SWAHILI).encode())[:-12]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"sw.txt": "\n".join(SWAHILI[:3]) + "\n"},
            r"sw\.txt: has 3 lines, and .*en\.txt has 4: they are not",
        ),
        ({"sw.txt": "\n".join([*SWAHILI, "x", "y"])}, r"en\.txt: has 4 lines, and .*sw\.txt has 6"),
        ({"sw.txt": b"caf\xe9\n"}, r"sw\.txt:1: byte 4 is not UTF-8"),
        ({"sw.txt": "a\nb\nc\nd\n".encode("utf-16")}, r"sw\.txt: is in UTF-16"),
        ({"sw.txt.gz": damaged_gzip()}, r"sw\.txt\.gz: ends after line \d"),
        ({"sw.txt.gz": b"no zip"}, r"sw\.txt\.gz: is not gzipped"),
        ({"swa.txt": "a\n", "sw.txt": "a\n"}, r"language 'sw' has two files, sw\.txt and swa\.txt"),
        ({"am.txt": "a\nb\nc\nd\n"}, r"has no file of the language 'sw'; it has: am en"),
        ({"x.en-sw.en": "a\n", "x.en-sw.sw": "b\n", "sw.txt": "a"}, r"one text file a language .* leave one kind"),
        ({"m.tmx": "", "sw.txt": "a"}, r"has translation memories \(m\.tmx\) and files of lines \(en\.txt\); leave"),
        ({"m.tmx.gz": b"", "x.en-sw.en": "a", "x.en-sw.sw": "b"}, r"memories \(m\.tmx\.gz\) and files of .* \(x\.en"),
        ({"all.txt": "a", "log.txt": "b", "xx.txt": "c"}, r"has no parallel files \(there: all\.txt, en\.txt"),
        ({}, r"has no parallel files \(there: en\.txt\)"),
        ({"sw.txt": "\n\n\n\n"}, r"no line or unit has a text in sw; remove"),
    ],
)
def test_bad_files_are_refused_in_a_line(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    write(tmp_path / "en.txt", ENGLISH)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, "en", "sw")
    assert "\n" not in str(caught.value)


def test_half_of_a_pair_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "Tanzil.en-sw.en", ENGLISH)
    with pytest.raises(InputError, match=r"Tanzil\.en-sw\.en: is half of a pair; there is no Tanzil\.en-sw\.sw"):
        read(tmp_path, "en", "sw")


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["x", "x"], r"IDS\.tsv: has 2 lines, and .* has 4"), (["x", "", "y", "y"], r"IDS\.tsv:2: names no document")],
)
def test_bad_documents_are_refused(tmp_path: Path, ids: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        neighbours(folder_of(tmp_path, TXT), ids)


def test_two_folders_with_files_are_refused(tmp_path: Path) -> None:
    for name in ("dev", "test"):
        (tmp_path / name).mkdir()
        folder_of(tmp_path / name, TXT)
    with pytest.raises(InputError, match="its folders dev and test both have parallel files"):
        read(tmp_path, "en", "sw")


def test_a_file_that_vanishes_while_it_is_read(tmp_path: Path) -> None:
    rows = BitextTraining().open(settings(folder_of(tmp_path, TXT)), languages("en", "sw"), tmp_path)
    (tmp_path / "sw.txt").unlink()
    with pytest.raises(InputError, match=r"sw\.txt: no such file"):
        list(rows.read([]))


# Settings -----------------------------------------------------------------------------------------------------


def load(*overrides: str) -> BitextData:
    loaded = load_settings(Composer("sweep", ["data=bitext", "languages.train=[en,sw]", "data.path=x", *overrides]))
    assert isinstance(loaded.data, BitextData)
    return loaded.data


TRANSLATION = "data.pairs=translation"


def test_translations_are_for_cross_lingual_batches_alone() -> None:
    assert load("ratio=hybrid").pairs == "neighbour"
    assert load(TRANSLATION, "ratio=crosslingual").pairs == "translation"
    for ratio in ("ratio=hybrid", "study.space={ratio.monolingual:{grid:[0.0,0.5]}}",
                  "ratio.schedule=linear ratio.monolingual=0 ratio.monolingual_end=1"):  # fmt: skip
        with pytest.raises(InputError, match=r"data\.pairs=translation has no monolingual rows.*pairs=neighbour"):
            load(TRANSLATION, *ratio.split(" "))
    with pytest.raises(InputError, match=r"train\.validation\.every_steps: .* data\.pairs=translation has none"):
        load(TRANSLATION, "ratio=crosslingual", "train.validation.every_steps=2")


def test_gzip_members_are_one_file(tmp_path: Path) -> None:
    """As OPUS' tools and bgzip write them."""
    write(tmp_path / "en.txt", ENGLISH)
    out = io.BytesIO()
    for text in SWAHILI:
        out.write(gzip.compress(f"{text}\n".encode()))
    (tmp_path / "sw.txt.gz").write_bytes(out.getvalue())
    assert len(read(tmp_path, "en", "sw")) == 4
