"""What is known of training data before a study: counted as a slow reading of the definitions counts it."""

from collections import Counter, defaultdict
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sweep.data.benchmark import Passage, Question, benchmark
from sweep.data.detection import LanguageSample
from sweep.data.inspection import DataReport, TokenCounter, inspect
from sweep.data.languages import joshi_tiers
from sweep.data.overlap import OverlapSearch
from sweep.data.shingles import MOST_TEXTS, grams_of
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.report.data_json import as_json
from sweep.report.data_picture import check_picture, write_picture
from sweep.report.data_tables import print_report
from sweep.report.plain_console import PlainConsole
from sweep.settings import DetectionSettings

DETECTION = DetectionSettings(sample=50, shortest=10, confidence=0.7, suspicious=0.1, seed=0)
CODES = ("de", "en", "sw", "zh_CN")
TEXTS = st.sampled_from(["a", "b", "a b", "Ein längerer Satz.", "<br>", "x\ufffd", " "])
ROWS = st.lists(
    st.builds(
        TrainingRow,
        group=st.sampled_from("123"),
        language=st.sampled_from(CODES),
        question=TEXTS,
        passage=TEXTS,
        negatives=st.lists(TEXTS, max_size=2).map(tuple),
        passage_language=st.sampled_from(("", *CODES)),
        place=st.sampled_from(("f:1", "f:2")),
        weight=st.sampled_from((1.0, 0.5)),
    ),
    max_size=30,
)


def report_on(rows: list[TrainingRow], **more: Any) -> DataReport:
    given = {"overlap": None, "tokens": None} | more
    read = TrainingRows("data 'mine'", (), lambda remarks: iter(rows))
    sample = LanguageSample(given.pop("detection", DETECTION))
    return inspect(read, sample, tiers_of=joshi_tiers, watched=iter, **given)


def slow_counts(rows: list[TrainingRow]) -> dict[str, Any]:
    """By the definitions, a set at a time."""
    asked = {(row.group, row.language, row.question) for row in rows}
    answered = {(row.group, row.passage_language or row.language, row.passage) for row in rows}
    codes = sorted({code for _, code, _ in asked | answered})
    pairs = {
        one: {
            other: groups
            for other in codes
            if (groups := len({g for g, c, _ in asked if c == one} & {g for g, c, _ in answered if c == other}))
        }
        for one in codes
    }
    in_languages = Counter(len({code for _, code, _ in asked if _ == group}) for group in {row.group for row in rows})
    of_groups: dict[str, set[str]] = defaultdict(set)
    for group, code, _ in asked:
        of_groups[group].add(code)
    in_languages = Counter(map(len, of_groups.values()))

    def again(items: set[tuple[str, str, str]]) -> tuple[int, int]:
        within, between = defaultdict(set), defaultdict(set)
        for group, code, text in items:
            within[group, text].add(code)
            between[text].add(group)
        return sum(len(one) > 1 for one in within.values()), sum(len(one) > 1 for one in between.values())

    return {
        "rows": len(rows),
        "equal_rows": len(rows) - len({row._replace(place="") for row in rows}),
        "groups": len({row.group for row in rows}),
        "negatives": sum(len(row.negatives) for row in rows),
        "pairs": pairs,
        "languages_of_groups": {str(size): groups for size, groups in in_languages.items()},
        "items": {code: [sum(c == code for _, c, _ in items) for items in (asked, answered)] for code in codes},
        "longest": {
            code: [max((len(t) for _, c, t in items if c == code), default=None) for items in (asked, answered)]
            for code in codes
        },
        "again": [again(asked), again(answered)],
        "markup": sum(any("<br>" in text for text in (row.question, row.passage, *row.negatives)) for row in rows),
        "alike": sum(row.question == row.passage for row in rows),
    }


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_counts_are_those_of_the_definitions(rows: list[TrainingRow]) -> None:
    report = as_json(report_on(rows))
    slow = slow_counts(rows)
    for key in ("rows", "equal_rows", "groups", "negatives", "pairs", "languages_of_groups"):
        assert report[key] == slow[key], key
    roles = {one["code"]: [one["questions"], one["passages"]] for one in report["languages"]}
    assert {code: [role["items"] for role in both] for code, both in roles.items()} == slow["items"]
    longest = {code: [(role["characters"] or {}).get("longest") for role in both] for code, both in roles.items()}
    assert longest == slow["longest"]
    repeated = [report["repeated_questions"], report["repeated_passages"]]
    assert [(one["in_languages"], one["in_groups"]) for one in repeated] == slow["again"]
    suspects = {one["text"]: one["rows"] for one in report["suspects"]}
    assert suspects.get("HTML (a tag such as <br>, or an entity such as &amp;)", 0) == slow["markup"]
    assert suspects.get("a question that is equal to its passage", 0) == slow["alike"]


@pytest.mark.parametrize(
    ("text", "suspicion"),
    [
        ("", "empty"),
        ("x" * 2**20 + "y", "over 1 MB"),
        ("half \ud800", "half a character (a lone surrogate)"),
        ("a\0b", "NUL or another control character"),
        ("caf\ufffd", "a replacement character (U+FFFD), which a wrong encoding leaves"),
        ("Le cafÃ© est fermÃ©.", "UTF-8 read as Latin-1 (such as Ã© for é)"),
        ("Ben &amp; Jerry", "HTML (a tag such as <br>, or an entity such as &amp;)"),
        ("q", "a question that is equal to its passage"),
    ],
)
def test_suspicious_texts_are_counted_with_the_first_place(text: str, suspicion: str) -> None:
    good = TrainingRow("g", "fr", "q", "Âge < 3 & taille > 2; São Paulo, R&D; x<y>z", place="f:1")
    report = report_on([good, *(TrainingRow("h", "fr", "q", text, place=f"f:{line}") for line in (2, 3))])
    assert [(one.text, one.rows, one.first) for one in report.suspects] == [(suspicion, 2, "f:2")]


def test_a_negative_that_is_the_passage_is_suspicious() -> None:
    report = report_on([TrainingRow("g", "fr", "q", "p", ("n", "p"))])
    assert [(one.text, one.first) for one in report.suspects] == [
        ("a negative that is equal to the passage", "group 'g'")
    ]


def test_tokens_are_counted_and_what_is_cut() -> None:
    words = TokenCounter("words", lambda texts, role: np.array([len(t.split()) for t in texts], np.int32), (2, 3))
    rows = [TrainingRow(str(n), "en", "a b" + " c" * (n == 0), "p " * (n + 1)) for n in range(4)]
    english = report_on(rows, tokens=words).languages[0]
    assert (english.questions.tokens, english.questions.cut) == ((2, 2, 2, 2, 2, 3), 0.25)
    assert (english.passages.tokens, english.passages.cut) == ((1, 1, 2, 3, 3, 4), 0.25)


SENTENCES = {
    "de": [f"Der Zug nach {place} fährt heute leider erst am späten Abend." for place in ("Ulm", "Köln", "Bonn")],
    "en": [f"The train to {place} does not leave before the late evening." for place in ("York", "Bath", "Hull")],
    "bem": [f"Ishitima lya ku {place} lileima icungulo." for place in ("Ndola", "Kitwe", "Mongu")],
}


def sentences(declared: str, language: str) -> list[TrainingRow]:
    return [
        TrainingRow(f"{declared}{number}", declared, f"{text} ({number})", f"{number}: {text}", place=f"f:{number}")
        for number, text in enumerate(SENTENCES[language] * 4)
    ]


def test_a_wrongly_declared_language_is_named() -> None:
    report = report_on([*sentences("de", "de"), *sentences("fr", "en"), *sentences("bem", "en")])
    bemba, german, french = report.checks
    assert (german.known, german.others, german.suspicious) == (True, 0, False)
    assert french.suspicious
    assert french.commonest == (("en", french.decided),)
    assert french.example is not None
    assert (french.example.detected, french.example.place[:2]) == ("en", "f:")
    assert (bemba.known, bemba.decided) == (False, 0)
    out = StringIO()
    print_report(report, PlainConsole(file=out, width=80))
    assert "- fr: 24 of 24 texts are in another language (en 24), such as, in en, f:" in out.getvalue()
    assert "- unchecked, as the detector does not know them: bem" in out.getvalue()


def test_a_few_texts_are_no_evidence() -> None:
    assert not report_on(sentences("fr", "en")[:2]).checks[0].suspicious


def test_the_sample_is_bounded_and_the_same_in_every_order() -> None:
    rows = sentences("de", "de") + sentences("de", "en")
    few = DETECTION.model_copy(update={"sample": 20})
    checks = [report_on(order, detection=few).checks[0] for order in (rows, rows[::-1], rows + rows)]
    assert checks[0].texts == 20
    assert all((one.decided, one.commonest) == (checks[0].decided, checks[0].commonest) for one in checks)
    other = few.model_copy(update={"seed": 1, "sample": 3})
    examples = {report_on(rows, detection=other.model_copy(update={"seed": seed})).checks[0] for seed in range(5)}
    assert len(examples) > 1


def test_copies_of_a_benchmark_are_counted_and_placed() -> None:
    """Equal texts but for case and space, near copies, and groups of the same name; negatives count as passages."""
    long = (
        "The river of stones runs below the old bridge where nobody has walked since the great flood took its rail."
    )
    asked = [Question("g1", "en", "Where is the café?"), Question("g2", "en", "Who sings?")]
    passages = [Passage("a", "en", long, "u"), Passage("b", "en", "She sings.", "v")]
    bench = benchmark("bench", ("en",), asked, passages, {"g1": {"a": 1}, "g2": {"b": 1}})
    rows = [
        TrainingRow("g2", "en", "WHERE is  the café?", "p", (long.replace("great", "big"),), place="f:1"),
        TrainingRow("x", "en", "where is the café?", "she SINGS.", place="f:2"),
    ]
    overlap = report_on(rows, overlap=OverlapSearch(bench, 0.8)).overlap
    assert overlap is not None
    assert overlap.groups == 1
    assert [(one.copies, one.texts, one.example, one.place) for one in overlap.exact] == [
        (1, 2, "where is the café?", "f:1"),
        (1, 2, "she sings.", "f:2"),
    ]
    assert overlap.near is not None
    assert [one.copies for one in overlap.near] == [1, 2]
    mixed = [row._replace(group=f"mine/{row.group}", source="mine") for row in rows]
    of_mix = report_on(mixed, overlap=OverlapSearch(bench, 0.8)).overlap
    assert of_mix == overlap
    without = report_on(rows, overlap=OverlapSearch(bench, None)).overlap
    assert without is not None
    assert without.near is None


def test_rows_with_many_negatives_are_compared_a_part_at_a_time() -> None:
    """More texts in a batch of rows than have numbers in one comparison; what is last is compared, too."""
    sung = [f"She sings number {n:05} of the old songs." for n in range(2)]
    asked = [Question(f"g{n}", "en", f"Who sings number {n:05} of the songs?") for n in range(2)]
    passages = [Passage(f"a{n}", "en", text, f"u{n}") for n, text in enumerate(sung)]
    bench = benchmark("bench", ("en",), asked, passages, {"g0": {"a0": 1}, "g1": {"a1": 1}})
    rows = [
        TrainingRow(str(row), "en", f"q{row}", f"p{row}", tuple(f"n{row} {n}" for n in range(9)), place=f"f:{row}")
        for row in range(1000)
    ]
    rows[0] = rows[0]._replace(passage=sung[0].replace("old", "odd"))
    rows[-1] = rows[-1]._replace(negatives=(*rows[-1].negatives, sung[1].replace("old", "odd")))
    assert sum(1 + len(row.negatives) for row in rows) > MOST_TEXTS
    overlap = report_on(rows, overlap=OverlapSearch(bench, 0.7)).overlap
    assert overlap is not None
    assert overlap.near is not None
    assert [one.copies for one in overlap.near] == [0, 2]
    with pytest.raises(ValueError, match="8193 texts at once, more than 8192"):
        grams_of(["text"] * (MOST_TEXTS + 1))


def many(languages: int) -> list[TrainingRow]:
    """Rows of languages with codes of up to 11 letters, in 20,000 groups of which each is in few languages."""
    codes = [f"{one}{other}{'_Latn_ZA' * (one == 'b')}" for one, other in combinations("abcdefghijklmnopq", 2)]
    rng = np.random.default_rng(0)
    return [
        TrainingRow(
            f"g{number // 3}", codes[rng.integers(languages)], f"question {number}", "p" * 12_345, place="f:1"
        )
        for number in range(600)
    ]


@pytest.mark.parametrize("languages", [1, 5, 62, 120])
def test_everything_fits_80_columns_and_control_characters_do_nothing(languages: int) -> None:
    rows = [*many(languages), TrainingRow("x\x1b[31m", "ab", "q\x1b[31m$x^2$", "q\x1b[31m$x^2$", place="f\x1b[31m:1")]
    words = TokenCounter("a/model" * 20, lambda texts, role: np.array([len(t) for t in texts], np.int32), (512, 512))
    for tokens in (None, words):
        report = report_on(rows, tokens=tokens)
        out = StringIO()
        print_report(report, PlainConsole(file=out, width=80))
        assert max(map(len, out.getvalue().splitlines())) <= 80
        assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("languages", [1, 5, 110])
def test_a_picture_is_a_png_or_an_svg_file(languages: int, tmp_path: Path) -> None:
    report = report_on(many(languages))
    names = ["p.png"] if languages == 110 else ["p.png", "p.svg"]
    for name in names:
        write_picture(report, tmp_path / name)
    with Image.open(tmp_path / "p.png") as picture:
        picture.verify()
        assert (picture.format, min(picture.size) > 200, max(picture.size) < 6000) == ("PNG", True, True)
    if "p.svg" in names:
        assert ElementTree.parse(tmp_path / "p.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_a_title_is_text_in_a_picture(tmp_path: Path) -> None:
    """Neither markup nor formulas; and what the font lacks is no warning."""
    file = tmp_path / "p.svg"
    report = report_on([TrainingRow("g", "en", "q", "p")])
    for title in ("<script>alert(1)</script>", "$\\frac{ データ \x00\x1b"):
        write_picture(DataReport(**{**vars(report), "title": title}), file)
        root = ElementTree.parse(file).getroot()
        assert not [one for one in root.iter() if one.tag.endswith("script")]


def test_no_rows_are_no_failure(tmp_path: Path) -> None:
    report = report_on([])
    out = StringIO()
    print_report(report, PlainConsole(file=out, width=80))
    assert "data 'mine': 0 rows in 0 groups" in out.getvalue()
    with pytest.raises(InputError, match="there is no row to draw"):
        write_picture(report, tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["p.pdf", "p", ".", "none/p.png"])
def test_pictures_that_cannot_be_written_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="picture="):
        check_picture(tmp_path / name)


def test_equal_rows_at_other_places_are_equal() -> None:
    rows = [TrainingRow("g", "en", "q", "p", place=f"f:{line}") for line in (1, 2, 3)]
    assert report_on([*rows, rows[0]._replace(weight=0.5, place="f:4")]).equal_rows == 2
