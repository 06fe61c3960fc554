"""The runs of what needs no training, beside those of the trials: the same metrics, so that one chart shows both."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from sweep.records.folder import ResultFolder, StudyFolder
from sweep.settings.tracking import Shown
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.file_store import FILES_TAG, MISSING, THERE, FileStore
from sweep.tracking.protocol import Row, Tracker
from sweep.tracking.shown import headline, tier_tags
from sweep.tracking.study_facts import KnownStudy


class BaselineRuns:
    """Sends the figures of a study's baselines, each once."""

    def __init__(
        self, folder: StudyFolder, cursor: Cursor, study: KnownStudy, shown: Shown, store: FileStore
    ) -> None:
        self._folder = folder
        self._cursor = cursor
        self._study = study
        self._shown = shown
        self._store = store

    def missing(self) -> dict[str, ResultFolder]:
        """Those that are not there, by the keys of their runs."""
        return {key: folder for key, folder in self._folders().items() if self._cursor.get(key) is None}

    def owing_files(self) -> dict[str, ResultFolder]:
        """Those of which all is there but their files."""
        sent = {key: self._cursor.get(key) for key in self._folders()}
        return {key: folder for key, folder in self._folders().items() if (one := sent[key]) and one.owes_files}

    def _folders(self) -> dict[str, ResultFolder]:
        return {f"baseline {name}": folder for name, folder in self._folder.baselines().items()}

    def send(self, tracker: Tracker) -> None:
        """Send what is missing. Raises TrackerAway."""
        for key, folder in self.missing().items():
            written_ms = int(1000 * folder.metrics.stat().st_mtime)
            run = tracker.run(key, written_ms)
            metrics = json.loads(folder.metrics.read_text())
            shown = headline(metrics, self._study.facts.objectives, self._shown)
            rows = [Row(metric, value, written_ms, 0) for metric, value in shown.items()]
            kept = self._store.keep(partial(_keep_files, tracker, run.id, folder))
            of_files = {FILES_TAG: MISSING} if kept is None else {**kept}
            if kept is not None and run.lacks_files:
                of_files[FILES_TAG] = THERE
            tracker.log(run.id, rows, tags={"sweep.kind": "baseline", **tier_tags(metrics), **of_files})
            tracker.end(run.id, "FINISHED", written_ms)
            self._cursor.put(key, Sent(run.id, "FINISHED", ended="baseline", owes_files=kept is None))

    def send_files(self, tracker: Tracker) -> None:
        """Send the files that are owed. Raises TrackerAway."""
        for key, folder in self.owing_files().items():
            sent = self._cursor.get(key)
            assert sent is not None
            kept = self._store.keep(partial(_keep_files, tracker, sent.run, folder))
            if kept is None:
                return
            tracker.log(sent.run, (), tags={**kept, FILES_TAG: THERE})
            self._cursor.put(key, replace(sent, owes_files=False))


def _keep_files(tracker: Tracker, run: str, folder: ResultFolder) -> Mapping[str, str]:
    """Tags that go with them."""
    tracker.attach(run, folder.measured)
    return tracker.show_metrics(run, json.loads(folder.metrics.read_text()))
