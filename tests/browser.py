"""A headless Chromium that tests open pages in, and what they ask of it."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

PROGRAMS = ("chromium", "chromedriver")
PATIENCE_S = 240  # on a machine that does other work as well
PHONE = 390  # CSS pixels
DESK = 1280
Theme = Literal["light", "dark"]


def why_no_browser() -> str | None:
    """Why no browser can be started here; None if one can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{' and '.join(missing)} not installed" if missing else None


@contextmanager
def running_browser(folder: Path) -> Iterator[Chrome]:
    """A browser whose profile lies in `folder`. It asks nothing of the network by itself, so that what it asks for is
    what a page asked for. Skips the test where no browser is installed."""
    reason = why_no_browser()
    if reason is not None:
        pytest.skip(reason)
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={DESK},900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(PATIENCE_S)
        driver.set_script_timeout(PATIENCE_S)
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests of a module."""
    with running_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


def open_page(browser: Chrome, url: str, theme: Theme = "light", width: int = DESK, height: int = 900) -> None:
    """Open a page as somebody with this theme and this width of window does, and forget what was logged before."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    set_width(browser, width, height)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(url)


def set_width(browser: Chrome, width: int, height: int = 900) -> None:
    """Make the window this wide, a phone's from PHONE pixels down."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= PHONE},
    )


def wait_until(browser: Chrome, condition: str, what: str) -> None:
    """Wait until an expression of JavaScript is true. Fails saying `what` did not come about."""
    WebDriverWait(browser, PATIENCE_S, poll_frequency=0.1).until(
        lambda driver: driver.execute_script(f"return Boolean({condition})"), what
    )


def count_work(browser: Chrome) -> None:
    """Count, from the next page on, the processor time that the page takes."""
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})


def work_ms(browser: Chrome) -> float:
    """Processor time that the page has taken since it was opened, after `count_work`; what else runs adds nothing."""
    (seconds,) = (
        metric["value"]
        for metric in browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        if metric["name"] == "TaskDuration"
    )
    return 1000 * float(seconds)


def console_errors(browser: Chrome) -> list[str]:
    """What the page has written to the console as a warning or an error since the last call."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def requested(browser: Chrome) -> list[str]:
    """The addresses that were asked for since the last call, without what a page carries
    itself (data:, blob:) and what the empty tab of a new browser is made of."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("data:", "blob:", "chrome:"))]


def overflow(browser: Chrome) -> int:
    """By how many pixels the page is wider than its window."""
    pixels: int = browser.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return pixels


def save_picture(browser: Chrome, file: Path, whole: bool = True) -> None:
    """A PNG of the page, the whole of it or what the window shows."""
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole, "format": "png"})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(shot["data"]))


def save_print(browser: Chrome, file: Path) -> None:
    """A PDF of the page as it is printed on A4."""
    options = {"printBackground": False, "paperWidth": 8.27, "paperHeight": 11.69}
    printed = browser.execute_cdp_cmd("Page.printToPDF", options)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(printed["data"]))
