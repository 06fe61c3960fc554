"""Studies for tests of what changes them, in this process and in others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.store import Claim, StudyStore
from tests.unit.test_study import WHOLE, result

VARIABLE = "study.storage='${oc.env:SWEEP_STORAGE}'"
FORTY = [
    "study.space={ratio.monolingual: {float: [0, 1]}}",
    "study.points=20",
    "study.seeds=[0,1]",
    "study.sampler=random",
]


def settings_of(*overrides: str) -> Settings:
    """Composed anew each time: the environment changes."""
    return load_settings(Composer("sweep", [WHOLE, *overrides]))


def store_at(folder: Path, *overrides: str, alive: Callable[[str], bool] = lambda _: True) -> StudyStore:
    """A study in this folder, with what is known beforehand enqueued."""
    settings = settings_of(*overrides)
    store = StudyStore(StudyFolder(folder), settings.study, alive)
    store.check_settings(settings)
    store.enqueue()
    return store


def let_an_hour_pass(store: StudyStore, claim: Claim) -> None:
    """Date the last sign of life of a claim's worker back, so that no test has to wait, nor to be in time."""
    engine = store.storage._engine
    earlier = {"sqlite": "datetime(heartbeat, '-1 hour')", "postgresql": "heartbeat - interval '1 hour'"}
    change = f"UPDATE trial_heartbeats SET heartbeat = {earlier[engine.dialect.name]} WHERE trial_id = :trial"
    with engine.begin() as connection:
        assert connection.execute(text(change), {"trial": claim.trial_id}).rowcount == 1


def work(folder: str, overrides: list[str], name: str, finished: Any) -> None:
    """A process of its own: claim and finish until nothing is left. Puts number and key of each, and None at last."""
    store = store_at(Path(folder), *overrides)
    while (claim := store.claim(name)) is not None:
        store.finish(claim, result(claim.point.key, claim.point.values["ratio.monolingual"]))
        finished.put((claim.number, claim.point.key))
    finished.put(None)
