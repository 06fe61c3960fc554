"""MLflow's pages of a real study, opened by the links that the command prints, in a browser."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run
from selenium.webdriver import Chrome
from tests.browser import browser, open_page, save_picture, wait_until
from tests.conftest import Sweep
from tests.integration.commands import TINY, runs
from tests.integration.mlflow_server import Server

__all__ = ["browser"]

pytestmark = pytest.mark.slow

OBJECTIVE = "cldr/pooled/alignment_consistency/low"
STUDY = (
    *TINY, "study.space={ratio.monolingual: {grid: [0.0, 0.5, 1.0]}}", "study.seeds=[0,1]",
    "study.baselines=[chance,n-grams]",
)  # fmt: skip
HEADINGS = (
    "JSON.stringify([...document.querySelectorAll('.ag-header-cell')]"
    ".sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)"
    ".map(each => each.innerText.trim()).slice(1, 7))"
)
BY_RATIO = (  # charts are drawn one after the other, and one that has yet to be has no data
    "[...document.querySelectorAll('.js-plotly-plot')].some("
    "plot => String(plot.data?.[0]?.x?.map(Number)) === '0,50,100')"
)
SHOTS = os.environ.get("SWEEP_TEST_SHOTS")  # a folder to keep pictures in, for whoever wants to look at them


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, f"sqlite:///{tmp_path}/sweeps/mlflow.db")
    yield server
    server.kill()


def by_key(listed: list[Run]) -> dict[str, Run]:
    return {run.data.tags["sweep.key"]: run for run in listed}


def test_mlflow_opens_on_what_matters(sweep: Sweep, served: Server, browser: Chrome, tmp_path: Path) -> None:
    done = sweep(*STUDY)
    assert done.returncode == 0, done.stdout + done.stderr
    links = dict(re.findall(r"^ +(\w+): +(http://\S+)$", done.stdout, re.MULTILINE))
    served.start()
    links = {name: link.replace("http://127.0.0.1:5000", served.uri) for name, link in links.items()}

    known = by_key(runs(tmp_path / "sweeps"))
    study, point = known["study"], known["point ratio.monolingual=0.5"]
    trial = known["ratio.monolingual=0.5,seed=1"]
    assert (trial.info.run_name, point.info.run_name) == ("α=0.5 · s1", "α=0.5")
    assert trial.data.tags["mlflow.parentRunId"] == point.info.run_id
    assert point.data.tags["mlflow.parentRunId"] == study.info.run_id
    seeds = [known[f"ratio.monolingual=0.5,seed={seed}"].data.metrics[OBJECTIVE] for seed in (0, 1)]
    assert point.data.metrics[OBJECTIVE] == pytest.approx(sum(seeds) / 2)
    low, high = (point.data.metrics[f"{OBJECTIVE}.ci95_{end}"] for end in ("low", "high"))
    assert low < sum(seeds) / 2 < high
    assert {run.info.status for run in known.values()} == {"FINISHED"}
    assert 20 <= len(trial.data.metrics) <= 50
    assert 10 <= len(trial.data.params) <= 30
    assert study.data.tags["sweep.progress"] == "6 of 6"
    assert "chosen among 6 trials" in study.data.tags["mlflow.note.content"]

    # The table: columns of the study, sorted by its objective.
    open_page(browser, f"{served.uri}/health")
    browser.execute_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    open_page(browser, links["Runs"], width=1680)
    columns = ["Run Name", "Created", "Duration", "ratio.monolingual", OBJECTIVE, f"{OBJECTIVE}.ci95_low"]
    wait_until(browser, f"{HEADINGS} === {json.dumps(json.dumps(columns, separators=(',', ':')))}", "other columns")
    wait_until(browser, "document.body.innerText.includes('α=0.5 · s1')", "no runs")
    for shown in ("12 matching runs", f"Sort: {OBJECTIVE}"):
        wait_until(browser, f"document.body.innerText.includes({shown!r})", f"no {shown}")
    if SHOTS:
        save_picture(browser, Path(SHOTS, "mlflow-test-table.png"), whole=False)

    # Alignment against ratio, without a click: in the charts and on the study's own page.
    charts = links["Charts"]
    own = f"{served.uri}/#/experiments/{study.info.experiment_id}/runs/{study.info.run_id}/model-metrics"
    for number, (page, title) in enumerate(((charts, "By ratio (step = 100 α)"), (own, "Model metrics"))):
        open_page(browser, "about:blank")
        open_page(browser, page, width=1680)
        wait_until(browser, f"document.body.innerText.includes({title!r})", f"no section {title}")
        wait_until(
            browser, "document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length >= 4", "no lines"
        )
        wait_until(browser, "document.body.innerText.includes('alignment low by ratio - 2 seeds')", "no title")
        wait_until(browser, BY_RATIO, "no chart by ratio")
        if SHOTS:
            save_picture(browser, Path(SHOTS, f"mlflow-test-charts-{number}.png"), whole=False)
