"""Addresses of a study's pages in MLflow's user interface, without importing MLflow, which takes seconds."""

import sqlite3
from contextlib import closing
from pathlib import Path

import requests

from sweep.tracking.mlflow_access import ANSWER_S, answer_of

TABLE_KEY = "sweep-table"
CHARTS_KEY = "sweep-charts"
LOCAL = "http://127.0.0.1:5000"  # where `mlflow ui` is, unless it is given another port


def pages_of(experiment: str, server: str = LOCAL) -> dict[str, str]:
    """The table of runs with a study's columns, and its charts, by what they are."""
    runs = f"{server.rstrip('/')}/#/experiments/{experiment}/runs"
    return {
        "Runs": f"{runs}?viewStateShareKey={TABLE_KEY}",
        "Charts": f"{runs}?compareRunsMode=CHART&viewStateShareKey={CHARTS_KEY}",
    }


def experiment_in(file: Path, name: str) -> str | None:
    """The id of the experiment with this name in MLflow's SQLite file; None if it is not there or cannot be read."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=ANSWER_S)) as connection:
            query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
            row = connection.execute(query, [name]).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


def experiment_at(server: str, name: str) -> str | None:
    """The same of a server; None if it does not say."""
    try:
        answer = answer_of(server, "experiments/get-by-name", {"experiment_name": name})
        return str(answer.json()["experiment"]["experiment_id"]) if answer.ok else None
    except (requests.RequestException, OSError, ValueError, KeyError, TypeError):
        return None
