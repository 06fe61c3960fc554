"""report.html as people open it: in a browser, in both themes, on a desk and on a phone, on paper."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.browser import (
    DESK,
    PHONE,
    Theme,
    browser,
    console_errors,
    count_work,
    open_page,
    overflow,
    requested,
    save_print,
    set_width,
    wait_until,
    work_ms,
)
from tests.sample_report import (
    empty_report,
    failed_report,
    nasty_report,
    one_trial_report,
    sample_report,
)

from sweep.answer.contents import StudyReport
from sweep.page.html import report_page, studies_page

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.slow

REPORTS: Mapping[str, Callable[[], StudyReport]] = {
    "grid": sample_report,
    "one trial": one_trial_report,
    "empty": empty_report,
    "all failed": failed_report,
    "nasty": nasty_report,
}
WITH_CHARTS = ("grid", "one trial", "nasty")
DRAWN = "document.documentElement.dataset.charts === 'drawn'"
MOST_MS = 3000  # of work, until a page of 200 trials and 14 languages has drawn what a reader sees first
MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The five studies as files, and a small one for what is the same in all of them."""
    folder = tmp_path_factory.mktemp("pages")
    reports = {name: make() for name, make in REPORTS.items()}
    small = reports["grid"]
    drawn = ("Alignment", "Monolingual mAP")  # the second one is folded
    first = tuple(curve for curve in small.curves if curve.title in drawn)
    reports["small"] = replace(small, curves=first, pairs=(), learning=(), exposure=())  # draws in no time
    files = {name: folder / f"{name}.html" for name in reports}
    for name, report in reports.items():
        files[name].write_text(report_page(report, folder), encoding="utf-8")
    return files


def open_drawn(browser: Chrome, file: Path, theme: Theme = "light", width: int = DESK) -> None:
    open_page(browser, file.as_uri(), theme, width)
    wait_until(browser, DRAWN, "every chart is drawn")


def unfold(browser: Chrome) -> None:
    """Open what is folded, and wait for its charts."""
    browser.execute_script(
        "document.querySelectorAll('details.more').forEach(one => { one.open = true });"
        "document.documentElement.dataset.charts = 'folded'"
    )
    if browser.find_elements(By.CSS_SELECTOR, "details.more"):
        wait_until(browser, DRAWN, "what was folded is drawn")


def show(browser: Chrome, file: Path) -> None:
    """As `open_drawn`, for what can be looked at on a page as an earlier test left it."""
    if browser.current_url != file.as_uri():
        open_drawn(browser, file)


def complaints(browser: Chrome) -> list[str]:
    """What the page wrote to the console, without what Vega-Lite says of every chart that is as wide as its place and
    has a row for each of its values; it drops nothing."""
    return [line for line in console_errors(browser) if "because spec has discrete height" not in line]


def colour_of(browser: Chrome, css: str, name: str = "color") -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return str(browser.execute_script(script, css, name))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_page_draws_fits_and_is_quiet(browser: Chrome, pages: dict[str, Path], name: str, theme: Theme) -> None:
    open_drawn(browser, pages[name], theme, PHONE if theme == "dark" else DESK)
    unfold(browser)
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot")
    marks = browser.execute_script(
        "return [...document.querySelectorAll('.plot')].map("
        "plot => plot.querySelectorAll('svg .mark-symbol path, svg .mark-line path, svg .mark-rect path').length)"
    )
    assert len(marks) == len(plots)
    assert bool(plots) == (name in WITH_CHARTS)
    assert all(marks), "every chart has marks"
    behind = browser.execute_script(
        "return [...document.querySelectorAll('figure.chart')].map("
        "one => one.querySelectorAll('details table tbody tr').length)"
    )
    assert all(behind), "every chart has a table behind it"
    assert len(behind) == len(plots)
    dark = colour_of(browser, "body", "backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (theme == "dark")
    assert overflow(browser) <= 0
    set_width(browser, DESK if theme == "dark" else PHONE)
    assert overflow(browser) <= 0
    assert complaints(browser) == []
    assert requested(browser) == [pages[name].as_uri()]


@pytest.mark.parametrize("name", ["small", "nasty"])
def test_hovering_a_mark_shows_its_figures(browser: Chrome, pages: dict[str, Path], name: str) -> None:
    open_drawn(browser, pages[name])
    mark = browser.find_element(By.CSS_SELECTOR, "#curves [id^=chart-curve] .plot svg .mark-symbol path")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", mark)
    ActionChains(browser).move_to_element(mark).perform()
    wait_until(browser, "document.querySelector('#vg-tooltip-element.visible')", "a tooltip is shown")
    assert re.search(r"\d\.\d", browser.find_element(By.ID, "vg-tooltip-element").text)
    assert complaints(browser) == []


def test_a_chosen_theme_redraws_and_is_remembered(browser: Chrome, pages: dict[str, Path]) -> None:
    open_drawn(browser, pages["small"])

    def seen() -> tuple[str, str]:
        ink = browser.execute_script(
            "return document.querySelector('#curves .plot svg .role-axis-label text').getAttribute('fill')"
        )
        return colour_of(browser, "body", "backgroundColor"), ink

    light = seen()
    button = browser.find_element(By.ID, "theme")
    assert button.get_attribute("aria-label") == "Show in dark colours"
    button.click()
    wait_until(browser, DRAWN, "charts are drawn again")
    dark = seen()
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    open_drawn(browser, pages["small"])
    assert seen() == dark, "the choice is remembered"
    browser.find_element(By.ID, "theme").click()
    wait_until(browser, DRAWN, "charts are drawn again")
    assert seen() == light
    open_drawn(browser, pages["small"], "dark")
    assert seen() == dark, "what the system has is followed again"


def test_foreign_texts_are_shown_as_texts(browser: Chrome, pages: dict[str, Path]) -> None:
    open_drawn(browser, pages["nasty"])
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
    text = browser.find_element(By.TAG_NAME, "main").text
    for section in ("head", "moved", "ended", "data", "repeat", "answer"):
        css = ".head" if section == "head" else f"#{section}"
        part = browser.find_element(By.CSS_SELECTOR, css).text
        assert "</script><script>alert(1)</script><!--" in part, section
    assert r"\u202eabc" in text, "what turns the direction of writing is written out"
    assert r"\x1b[31m" in text
    scripts = browser.execute_script(
        "return [...document.scripts].map(one => [one.type, one.text.includes('alert(1)')])"
    )
    assert [kind for kind, has in scripts if has] == ["application/json"], "data, which nothing runs"
    assert (
        browser.execute_script("return document.querySelectorAll('main script, main img, main iframe').length") == 0
    )


def test_it_can_be_read_without_eyes_or_mouse(browser: Chrome, pages: dict[str, Path]) -> None:
    open_drawn(browser, pages["small"])
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.text == "Skip to the answer"
    assert browser.execute_script("return getComputedStyle(arguments[0]).top", focused) == "0px"
    focused.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "main"
    levels = browser.execute_script(
        "return [...document.querySelectorAll('main h1, main h2, main h3')].map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert browser.find_elements(By.CSS_SELECTOR, f"body > {landmark}, body > .page > {landmark}"), landmark
    assert browser.execute_script(
        "return [...document.querySelectorAll('.plot')].every(one => one.getAttribute('role') === 'img' && "
        "['aria-labelledby', 'aria-describedby'].every("
        "by => document.getElementById(one.getAttribute(by)).textContent.trim()))"
    )
    assert browser.execute_script(
        "return [...document.querySelectorAll('table')].every("
        "one => one.querySelector('thead th[scope=col]') && one.querySelector('tbody th[scope=row]'))"
    )
    stops = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter(one => one.checkVisibility())"
        ".map(one => [one.tabIndex === 0, one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight])"
    )
    assert stops
    assert all(is_stop == scrolls for is_stop, scrolls in stops), "a table is a stop where it can be scrolled"
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    links = browser.execute_script("return [...document.querySelectorAll('nav a')].map(one => one.hash.slice(1))")
    assert set(links) <= set(ids)
    assert links[0] == "answer"


def test_worse_languages_are_marked_without_colour(browser: Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["small"])
    worse = browser.find_elements(By.CSS_SELECTOR, "#languages td.worse")
    assert worse
    texts = [cell.get_attribute("textContent") or "" for cell in worse]  # some are folded
    assert all(text.strip().startswith("▼") for text in texts)


def test_texts_in_other_scripts_run_their_own_way(browser: Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["small"])
    arabic = browser.find_element(By.CSS_SELECTOR, "#moved blockquote p[lang=ar]")
    assert browser.execute_script("return getComputedStyle(arguments[0]).direction", arabic) == "rtl"
    german = browser.find_element(By.CSS_SELECTOR, "#moved blockquote p[lang=de]")
    assert browser.execute_script("return getComputedStyle(arguments[0]).direction", german) == "ltr"


def test_the_command_is_copied(browser: Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["small"])
    button = browser.find_element(By.CSS_SELECTOR, "[data-copies=command]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    button.click()
    wait_until(browser, "document.getElementById('announced').textContent === 'Copied'", "it says that it copied")
    assert complaints(browser) == []


def test_it_is_printed_in_light_colours(browser: Chrome, pages: dict[str, Path], tmp_path: Path) -> None:
    open_drawn(browser, pages["small"], "dark")
    browser.execute_script(
        "addEventListener('beforeprint', () => { window.printed = [...document.querySelectorAll("
        "'.plot svg .role-axis-label text')].map(one => one.getAttribute('fill')); })"
    )
    dark = browser.execute_script(
        "return document.querySelector('.plot svg .role-axis-label text').getAttribute('fill')"
    )
    save_print(browser, tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 10_000
    wait_until(browser, "window.printed", "it was printed")
    assert dark not in browser.execute_script("return window.printed")


def test_a_large_study_opens_at_once(browser: Chrome, tmp_path: Path, pages: dict[str, Path]) -> None:
    file = tmp_path / "large.html"
    text = report_page(sample_report(seeds=range(40)), pages["grid"].parent)
    assert len(text.encode()) < MOST_BYTES
    file.write_text(text, encoding="utf-8")
    count_work(browser)
    open_page(browser, file.as_uri())
    wait_until(browser, "document.querySelector('#curves .plot svg')", "the first chart is drawn")
    worked = work_ms(browser)
    wait_until(browser, DRAWN, "every chart in sight is drawn")
    assert 0 < worked < MOST_MS
    folded = browser.find_elements(By.CSS_SELECTOR, "details.more .plot")
    assert folded
    assert not browser.find_elements(By.CSS_SELECTOR, "details.more .plot svg"), "none that nobody sees"
    assert overflow(browser) <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_several_studies_stand_side_by_side(
    browser: Chrome, pages: dict[str, Path], tmp_path: Path, theme: Theme
) -> None:
    file = tmp_path / "studies.html"
    reports = [sample_report(name="me5"), sample_report((0.0, 0.5), name="<b>labse</b>"), empty_report()]
    file.write_text(studies_page(reports, pages["grid"].parent), encoding="utf-8")
    for width in (DESK, PHONE):
        open_drawn(browser, file, theme, width)
        assert browser.find_elements(By.CSS_SELECTOR, ".plot svg .mark-symbol path")
        heads = browser.find_elements(By.CSS_SELECTOR, "#ratios thead th")
        assert [head.text for head in heads] == ["ratio", "me5", "<b>labse</b>"]
        ratios = browser.find_elements(By.CSS_SELECTOR, "#ratios tbody th")
        assert [ratio.text for ratio in ratios] == ["α = 0", "α = 0.25", "α = 0.5", "α = 0.75", "α = 1"]
        assert overflow(browser) <= 0
        assert complaints(browser) == []
        assert requested(browser) == [file.as_uri()]
