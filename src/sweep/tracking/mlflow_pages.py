"""What MLflow's pages are given to show: names, tables as artifacts, and shared states of an experiment's page.

A shared state is a tag of the experiment, `mlflow.sharedViewState.<key>`, with the state of its page as JSON; the
page opens on it with `?viewStateShareKey=<key>`. It is what the page's own Share button makes (MLflow 3.17).
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sweep.settings.metric_key import MetricKey
from sweep.tracking.mlflow_links import CHARTS_KEY, TABLE_KEY
from sweep.tracking.protocol import View

SHARED_STATE = "mlflow.sharedViewState."
METRICS_TABLE = "metrics_table.json"
TABLES = json.dumps([{"path": METRICS_TABLE, "type": "table"}])
MOST_CHARTS = 8
FIXED_PX = {"0": 73, "attributes.`Run Name`": 190, "runDateAndNestInfo": 130, "duration": 80}  # MLflow's own columns
MARGIN_PX, LETTER_PX = 16, 7  # of a column's heading


def metric_name(key: str) -> str:
    """MLflow allows no `@` and no `+` in a name: recall@10 is recall_at_10 there, cldr+report is cldr_report."""
    return key.replace("@", "_at_").replace("+", "_")


def metrics_table(metrics: Mapping[str, float]) -> str:
    """All metrics as MLflow's own `log_table` would write them, a row each."""
    rows = [[*_cells(key), value] for key, value in metrics.items()]
    return json.dumps({"columns": ["benchmark", "family", "metric", "part", "value"], "data": rows})


@lru_cache(1 << 16)
def _cells(text: str) -> tuple[str, str, str, str]:
    key = MetricKey.parse(text)
    return key.benchmark, key.family, key.metric, key.part


def shared_states(view: View) -> dict[str, str]:
    """The states of the two pages, by their keys: a table of runs, and charts beside the runs."""
    columns = [
        *(f"params.`{name}`" for name in view.parameters),
        *(f"metrics.`{metric_name(name)}`" for name in view.metrics),
        *(f"tags.`{name}`" for name in view.tags),
    ]
    state: dict[str, Any] = {
        "searchFilter": "",
        "orderByKey": f"metrics.`{metric_name(view.sort)}`",
        "orderByAsc": view.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [*FIXED_PX, *columns],
        "columnWidths": FIXED_PX | {name: MARGIN_PX + LETTER_PX * len(name.partition(".")[2]) for name in columns},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "isAccordionReordered": True,  # or sections are sorted by name
        "runListHidden": False,
        "hideEmptyCharts": False,
        "useGroupedValuesInCharts": True,
        "autoRefreshEnabled": True,
        "groupBy": None,
    }
    section = {"uuid": "sweep", "name": "By ratio (step = 100 α)", "display": True}
    charts = {
        "compareRunCharts": [
            _chart(title, metrics, section["uuid"]) for title, metrics in list(view.charts.items())[:MOST_CHARTS]
        ],
        "compareRunSections": [{**section, "isReordered": True}],
        # Of the study's run alone: the others would fill the legends of charts that they are not on.
        "searchFilter": "tags.`sweep.kind` = 'study'",
    }
    return {TABLE_KEY: json.dumps(state), CHARTS_KEY: json.dumps({**state, **charts})}


def _chart(title: str, metrics: Sequence[str], section: Any) -> dict[str, Any]:
    """A line chart of metrics over their steps."""
    names = [metric_name(metric) for metric in metrics]
    return {
        "uuid": str(uuid5(NAMESPACE_URL, title)),
        "type": "LINE",
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 10,
        "metricSectionId": section,
        "metricKey": names[0],
        "selectedMetricKeys": names,
        "displayName": title,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "lineSmoothness": 0,
        "displayPoints": True,
        "ignoreOutliers": False,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "selectedXAxisMetricKey": "",
        "range": {},
    }
