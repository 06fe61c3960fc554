"""The run of the whole study: its answer as description, its progress, what is searched, its report with charts."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sweep.answer.points import best_of, points_of
from sweep.answer.ratios import RATIO
from sweep.records.data_record import read_records
from sweep.records.folder import StudyFolder
from sweep.settings.secrets import redacted_leaves
from sweep.tracking.chosen import chosen_among
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.file_store import FileStore
from sweep.tracking.point_intervals import HIGH, LOW
from sweep.tracking.protocol import STUDY_KEY, Tracker, View
from sweep.tracking.ratio_curve import RatioCurves
from sweep.tracking.shown import PARAMETERS, point_name
from sweep.tracking.snapshot import ENDED, Snapshot
from sweep.tracking.study_facts import KnownStudy

KEY = "study page"
EVERY_S = 60.0  # a running study's page; at its end at once
STEPS = "In charts of metrics by ratio the step is 100 α: the share of monolingual batches in percent."
FIRST = "alignment consistency"
CHARTS = {
    FIRST: "pooled/alignment_consistency",
    "cross-lingual mAP": "cross/map",
    "monolingual mAP": "mono/map",
    "pooled mAP": "pooled/map",
}


class StudyPage:
    """Sends it when it has changed: now and then, and at the end."""

    def __init__(
        self, folder: StudyFolder, cursor: Cursor, study: KnownStudy, curves: RatioCurves, store: FileStore
    ) -> None:
        self._folder = folder
        self._cursor = cursor
        self._study = study
        self._curves = curves
        self._store = store
        self._sent_at: float | None = None

    def is_behind(self, snapshot: Snapshot) -> bool:
        """Whether something of it was not sent, and it is time."""
        if self._cursor.store is None:
            return False
        due = snapshot.ended is not None or self._sent_at is None or time.monotonic() - self._sent_at >= EVERY_S
        sent = self._cursor.get(KEY)
        return due and (sent is None or sent.ended != self._content(snapshot))

    @property
    def owes_files(self) -> bool:
        """Whether all of it is there but files."""
        sent = self._cursor.get(KEY)
        return sent is not None and sent.owes_files

    def send(self, tracker: Tracker, snapshot: Snapshot) -> None:
        """Send what is new of it. Raises TrackerAway."""
        content = self._content(snapshot)
        run, facts = tracker.study_run, self._study.facts
        known = self._cursor.get(KEY)
        parameters: Mapping[str, object] = {}
        if known is None:
            there = tracker.run(STUDY_KEY, None).parameters
            config = redacted_leaves(dict(facts.config))
            asked = {
                path: config[path] for path in PARAMETERS if path != RATIO and config.get(path) not in (None, [])
            }
            searched = {f"space.{path}": text for path, text in facts.space.items()}
            parameters = {path: value for path, value in {**searched, **asked}.items() if path not in there}
            tracker.show_data(run, read_records(self._folder.path))
        finished = sum(record.state == "COMPLETE" for record in snapshot.records)
        tags = {
            "sweep.kind": "study",
            "sweep.progress": f"{finished} of {facts.target or len(snapshot.records)}",
            **{f"sweep.space.{path}": text for path, text in facts.space.items()},
        }
        if (best := self._best(snapshot)) is not None:
            tags["sweep.best"] = best
        tracker.log(run, (), parameters, tags)
        description, view = self._description(snapshot), self._view()
        shown = {"description": _digest(description.encode()), "view": _digest(repr(view).encode())}
        before = (known.digests if known else None) or {}
        if before.get("description") != shown["description"]:
            tracker.describe(run, description)
        if before.get("view") != shown["view"]:
            tracker.arrange(view)
        sent = Sent(run, "RUNNING", ended=content, owes_files=True, digests={**before, **shown})
        self._cursor.put(KEY, sent)
        self.send_files(tracker)
        self._sent_at = time.monotonic()

    def send_files(self, tracker: Tracker) -> None:
        """Send the files that have changed, if the store takes them now. Raises TrackerAway."""
        sent = self._cursor.get(KEY)
        assert sent is not None
        digests = self._store.keep(lambda: self._keep_files(tracker, sent))
        if digests is not None:
            self._cursor.put(KEY, replace(sent, owes_files=False, digests={**(sent.digests or {}), **digests}))

    def _keep_files(self, tracker: Tracker, sent: Sent) -> dict[str, str]:
        """The digests of what is there now. Charts are drawn anew with every report, most of them as they were."""
        before = sent.digests or {}
        digests: dict[str, str] = {}
        for below, files in (("", self._files()), ("charts", self._charts())):
            now = {f"file {below}/{file.name}": (file, _digest(file.read_bytes())) for file in files}
            changed = [file for name, (file, digest) in now.items() if before.get(name) != digest]
            if changed:
                tracker.attach(sent.run, changed, below)
            digests |= {name: digest for name, (_, digest) in now.items()}
        return digests

    def _files(self) -> list[Path]:
        files = (self._folder.config, self._folder.report, self._folder.answer)
        return [file for file in files if file.exists()]

    def _charts(self) -> list[Path]:
        return sorted(self._folder.charts.glob("*.png")) if self._folder.charts.is_dir() else []

    def _content(self, snapshot: Snapshot) -> str:
        """A digest of what it is made from."""
        ended = sum(record.state in ENDED for record in snapshot.records)
        parts = [str(ended), str(len(snapshot.records)), *(str(part) for part in self._states())]
        parts += [str(self._study.facts.space), str(self._study.facts.target)]
        return _digest(" ".join(parts).encode())

    def _states(self) -> Iterator[tuple[str, int, int]]:
        for file in (*self._files(), *self._charts()):
            state = file.stat()
            yield file.name, state.st_size, state.st_mtime_ns

    def _description(self, snapshot: Snapshot) -> str:
        """What the study says so far, and what to know of runs that are sorted by a metric."""
        answer = self._folder.answer.read_text(encoding="utf-8").strip() if self._folder.answer.exists() else None
        steps = STEPS if self._curves.names(CHARTS[FIRST]) else None
        return "\n\n".join(text for text in (answer, chosen_among(snapshot.records), steps) if text)

    def _best(self, snapshot: Snapshot) -> str | None:
        """The point with the best mean of the only objective, among those with all seeds."""
        study = self._study.facts.study
        if study is None or len(study.objectives) > 1:
            return None
        points = points_of(snapshot.records, study.confirmed_seeds)
        whole = [point for point in points if len(point.records) >= len(study.seeds)]
        best = best_of(whole, study.objectives[0])
        if best is None:
            return None
        among = f", chosen among {len(whole)}" if len(whole) > 1 else ""
        return f"{point_name(best.parameters)}: {best.value:.4f}{among}"

    def _view(self) -> View:
        """Columns: what is searched and the objective first."""
        facts = self._study.facts
        benchmark = facts.benchmark
        keys = [f"{benchmark}/{name}" for name in CHARTS.values()]
        reported = [key for key in facts.objectives if key.startswith(f"{benchmark}/")] or list(facts.objectives)
        sort = reported[0] if reported else keys[0]
        metrics = dict.fromkeys((sort, f"{sort}{LOW}", f"{sort}{HIGH}", f"{sort}.sd", *keys))
        shown = {sort: sort.partition("/")[2]} | {key: title for title, key in zip(CHARTS, keys, strict=True)}
        charts = {title: names for key, title in shown.items() if (names := self._curves.names(key))}
        return View(tuple(facts.space), tuple(metrics), ("sweep.kind", "sweep.seed"), sort, facts.ascending, charts)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
