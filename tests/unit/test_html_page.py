"""What a page is made of, without a browser: escapes, policy, sections, and the script that draws."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.sample_report import (
    NASTY,
    empty_report,
    failed_report,
    nasty_report,
    one_trial_report,
    sample_report,
)

from sweep.answer.contents import StudyReport
from sweep.answer.ratios import Certainty
from sweep.page.html import report_page, studies_page
from sweep.page.templating import json_for_script
from sweep.page.vega_script import vega_script


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the texts of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open = [tag]

    def handle_endtag(self, tag: str) -> None:
        self.open = []

    def handle_data(self, data: str) -> None:
        if self.open == ["script"]:
            self.scripts.append((self.elements[-1][1].get("type"), data))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    "make",
    [sample_report, nasty_report, empty_report, failed_report, one_trial_report],
    ids=lambda make: make.__name__,
)
def test_nothing_of_a_page_comes_from_elsewhere(make: Callable[[], StudyReport], cache: Path) -> None:
    page = Elements(report_page(make(), cache))
    for _, attributes in page.elements:
        assert not {"src", "srcset", "style", "onclick", "onload", "onerror"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    (policy,) = [a["content"] or "" for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    for kind, text in page.scripts:
        if kind != "application/json":
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    (data,) = [json.loads(text) for kind, text in page.scripts if kind == "application/json"]
    drawn = [attributes["data-chart"] for _, attributes in page.elements if "data-chart" in attributes]
    assert set(drawn) == set(data["specs"])
    assert len(drawn) == len(set(drawn))


def test_tables_are_in_words_and_p_is_no_power_of_ten(cache: Path) -> None:
    page = re.sub(r"<script.*?</script>", "", report_page(sample_report(objectives=2), cache), flags=re.S)
    cells = re.findall(r"<(?:t[dh]|summary|p class=.caption.)[ >][^<]*<bdi>([^<]*)", page)
    assert any(cell.startswith("&lt; 0.0001") for cell in cells)
    for cell in cells:
        assert not re.fullmatch(r"\d(\.\d+)?e-\d+", cell), cell
        assert "alignment_consistency" not in cell
        assert cell != "ratio.monolingual"
    assert "Pooled alignment, on xquad_r: figures" in re.sub(r"<wbr>", "", page)


def test_what_is_secondary_is_folded(cache: Path) -> None:
    page = report_page(sample_report(), cache)
    first, _, more = page.partition('<details class="more">')
    assert 'id="chart-curve-xquad-r-pooled-alignment-consistency"' in first
    assert "10 more charts: " in more
    assert 'id="chart-groups-tiers-xquad-r-mono-map"' in more
    moved = page.partition('<section id="moved"')[2].partition("</section>")[0]
    shown, _, folded = moved.partition('<details class="more">')
    assert 0 < shown.count("<li>") <= 6
    assert shown.count("<li>") + folded.count("<li>") == len(sample_report().moved)
    assert page.partition('<section id="languages"')[2].count("<details open>") == 1


def test_a_study_too_large_to_compare_says_so(cache: Path) -> None:
    report = sample_report()
    answer = replace(report.answer, certainty=Certainty((), True, 200))
    page = report_page(replace(report, answer=answer, curves=()), cache)
    assert "Curves are drawn for combinations of at most 200 trials" in page
    assert "Only combinations of at most 200 trials are compared here" in page
    assert "fewer than two ratios" not in page
    assert "at least two of them" not in page


def test_failures_come_first_where_nothing_has_finished(cache: Path) -> None:
    titles = re.findall(r'<section id="(\w+)"', report_page(failed_report(), cache))
    assert titles[:3] == ["answer", "curves", "ended"]


def test_foreign_texts_begin_no_element(cache: Path) -> None:
    plain = Elements(report_page(sample_report(languages=("en", "de", "fr", "es", "ar")), cache))
    nasty = report_page(nasty_report(), cache)
    assert {tag for tag, _ in Elements(nasty).elements} <= {tag for tag, _ in plain.elements}
    assert "\u202e" not in re.sub(r"<blockquote>.*?</blockquote>", "", nasty, flags=re.S)
    assert "\x1b" not in nasty


def test_texts_with_half_a_character_can_be_written(cache: Path) -> None:
    report = replace(sample_report(), name="a\ud800b", notes=("c\udfffd",))
    assert b"a\\ud800b" in report_page(report, cache).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "null"),
        (math.inf, "null"),
        ((1, "a"), '[1,"a"]'),
        ({"a": {"b": [True, None]}}, '{"a":{"b":[true,null]}}'),
        ("</script><!--&", r'"\u003c/script\u003e\u003c!--\u0026"'),
        ("\u2028", r'"\u2028"'),
    ],
)
def test_json_may_stand_in_a_script_element(value: object, text: str) -> None:
    assert json_for_script(value) == text


def test_a_section_without_content_is_left_out_or_says_why(cache: Path) -> None:
    def sections(report: StudyReport) -> list[str | None]:
        return [a["id"] for tag, a in Elements(report_page(report, cache)).elements if tag == "section"]

    full = sections(sample_report())
    assert full[:3] == ["answer", "curves", "certainty"]
    assert "pareto" not in full
    assert "pareto" in sections(sample_report(objectives=2))
    assert sections(empty_report()) == ["answer", "curves", "repeat"]
    assert sections(failed_report()) == ["answer", "curves", "ended", "repeat"]
    assert "No trial has finished yet" in report_page(empty_report(), cache)
    assert "nothing is compared" in report_page(one_trial_report(), cache)


def test_the_script_is_made_once_and_made_again_when_damaged(tmp_path: Path) -> None:
    script = vega_script.__wrapped__(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert "vegaEmbed" in script
    assert "</script" not in script
    before = kept.stat().st_mtime_ns
    assert vega_script.__wrapped__(tmp_path) == script
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(kept.read_bytes()[:1000])
    assert vega_script.__wrapped__(tmp_path) == script
    assert vega_script.__wrapped__(Path("/proc/nowhere")) == script, "a folder that cannot be written to"


def test_several_studies_share_a_chart_by_objective(cache: Path) -> None:
    page = studies_page(
        [sample_report(name="one"), sample_report(name="two"), empty_report(), failed_report()], cache
    )
    parsed = Elements(page)
    assert sum("data-chart" in attributes for _, attributes in parsed.elements) == 1
    assert "No test compares one study with another" in re.sub(r"\s+", " ", page)
    assert page.count("<article") == 4
    assert "No trial of these studies has finished" in studies_page([empty_report()], cache)
    assert NASTY not in studies_page([nasty_report()], cache)
