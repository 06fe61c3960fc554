"""The runs of what needs no training, beside those of the trials: the same metrics, so that one chart shows both."""

import json

from sweep.records.folder import ResultFolder, StudyFolder
from sweep.settings.tracking import Shown
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.protocol import Row, Tracker
from sweep.tracking.shown import headline, tier_tags
from sweep.tracking.study_facts import KnownStudy


class BaselineRuns:
    """Sends the figures of a study's baselines, each once."""

    def __init__(self, folder: StudyFolder, cursor: Cursor, study: KnownStudy, shown: Shown) -> None:
        self._folder = folder
        self._cursor = cursor
        self._study = study
        self._shown = shown

    def missing(self) -> dict[str, ResultFolder]:
        """Those that are not there, by the keys of their runs."""
        keys = {f"baseline {name}": folder for name, folder in self._folder.baselines().items()}
        return {key: folder for key, folder in keys.items() if self._cursor.get(key) is None}

    def send(self, tracker: Tracker) -> None:
        """Send what is missing. Raises TrackerAway."""
        for key, folder in self.missing().items():
            written_ms = int(1000 * folder.metrics.stat().st_mtime)
            run = tracker.run(key, written_ms)
            metrics = json.loads(folder.metrics.read_text())
            shown = headline(metrics, self._study.facts.objectives, self._shown)
            rows = [Row(metric, value, written_ms, 0) for metric, value in shown.items()]
            tracker.attach(run.id, folder.measured)
            shown_tags = tracker.show_metrics(run.id, metrics)
            tracker.log(run.id, rows, tags={"sweep.kind": "baseline", **tier_tags(metrics), **shown_tags})
            tracker.end(run.id, "FINISHED", written_ms)
            self._cursor.put(key, Sent(run.id, "FINISHED", ended="baseline"))
