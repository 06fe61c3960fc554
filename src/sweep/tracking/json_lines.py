"""Runs as lines of JSON in one file: nothing to install, and every line is read by `jq`, pandas or DuckDB.

{"run": "<uid>/<key>", "metric": "train/loss", "value": 0.5, "timestamp_ms": 1700000000000, "step": 10}
{"run": ..., "key": ..., "study": ..., "started_ms": ..., "name": ..., "parent": "<uid>/<key>"}       a run begins
{"run": ..., "parent": ...}                                       and is put below another one
{"run": ..., "parameters": {...}, "tags": {...}}
{"run": ..., "data": {"role": "training", "name": ..., "digest": ...}}
{"run": ..., "file": "trials/<key>/metrics.json"}
{"run": ..., "status": "FINISHED", "ended_ms": ..., "reason": ...}
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sweep.records.data_record import DataRecord
from sweep.records.files import replacing_file
from sweep.records.folder import StudyFolder
from sweep.records.lines import append_lines, cut_torn_line
from sweep.settings import JsonLinesTracking
from sweep.tracking.protocol import STUDY_KEY, Place, Row, Run, Status, TrackedStudy, Tracker, TrackerAway

NOTE_TAG = "sweep.note"


class JsonLinesPlace(Place):
    """A file, in the study's folder if the settings name none."""

    def __init__(self, settings: JsonLinesTracking, folder: StudyFolder) -> None:
        self.file = Path(settings.path).absolute() if settings.path else folder.runs
        self._named = settings.path is not None
        self.name = str(self.file)
        self.metrics = settings.metrics

    def problem(self) -> str | None:
        """A file that cannot be written."""
        if not self._named or os.access(self.file if self.file.exists() else self.file.parent, os.W_OK):
            return f"tracking.path={self.file} is a folder" if self.file.is_dir() else None
        return f"tracking.path={self.file} cannot be written"

    def is_lost(self, store: str | None) -> bool:
        """Whether the file is gone."""
        return store is not None and not self.file.exists()

    def connect(self) -> Tracker:
        """A tracker that writes to the file."""
        return JsonLinesTracker(self.file)

    def browse(self, python: str) -> str:
        """The file."""
        return str(self.file)


@dataclass
class _KnownRun:
    status: Status = "RUNNING"
    attempt: str | None = None
    parameters: set[str] = field(default_factory=set)
    lines: set[int] | None = field(default_factory=set)  # hashes; None once it has ended, to be read when it goes on


class JsonLinesTracker(Tracker):
    """Appends to a file that other studies may share. Lines that are there already are not written again."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = FileLock(f"{file}.lock", timeout=60)
        self._runs: dict[str, _KnownRun] = {}

    def open(self, study: TrackedStudy) -> str:
        """Read what is there; the id is kept in the line with which the study begins."""
        self._study = study
        with self._locked():
            cut_torn_line(self.file)
            self._runs = {}
            origin = None
            for line in self._own_lines():
                if line["run"] == self._id(STUDY_KEY):
                    origin = line.get("origin", origin)
                self._note(line)
        if origin is None:
            origin = uuid.uuid4().hex
            self._append([{"run": self._id(STUDY_KEY), "key": STUDY_KEY, "study": study.name, "origin": origin}])
        elif self._runs[self._id(STUDY_KEY)].status != "RUNNING":
            self._append([{"run": self._id(STUDY_KEY), "status": "RUNNING"}])
        return str(origin)

    @property
    def study_run(self) -> str:
        """The study's id and the key of the whole."""
        return self._id(STUDY_KEY)

    def run(self, key: str, started_ms: int | None, name: str | None = None, parent: str | None = None) -> Run:
        """The run whose id is the study's id and the key."""
        run_id = self._id(key)
        if run_id not in self._runs:
            started = int(time.time() * 1000) if started_ms is None else started_ms
            line = {"run": run_id, "key": key, "study": self._study.name, "started_ms": started}
            given = {"name": name, "parent": parent}
            self._append([line | {field: value for field, value in given.items() if value is not None}])
        known = self._runs[run_id]
        return Run(run_id, known.status, known.attempt, frozenset(known.parameters))

    def place(self, run_id: str, parent: str) -> None:
        """A line that says below which; the last one counts."""
        self._append([{"run": run_id, "parent": parent}])

    def reopen(self, run_id: str) -> None:
        """A line that says so; the last status counts."""
        self._append([{"run": run_id, "status": "RUNNING"}])

    def log(
        self, run_id: str, rows: Sequence[Row], parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """A line a row, and one for parameters and tags."""
        lines: list[dict[str, Any]] = []
        if parameters or tags:
            lines.append({"run": run_id, "parameters": dict(parameters or {}), "tags": dict(tags or {})})
        self._append([*lines, *({"run": run_id, **row._asdict()} for row in rows)])

    def attach(self, run_id: str, files: Sequence[Path], below: str = "") -> None:
        """Their paths where they are, as seen from the file if they are below its folder."""
        folder = self.file.parent
        paths = [file.relative_to(folder) if file.is_relative_to(folder) else file for file in files]
        self._append([{"run": run_id, "file": str(path)} for path in paths])

    def show_data(self, run_id: str, records: Sequence[DataRecord]) -> None:
        """A line each."""
        listed = ({**asdict(record), "languages": list(record.languages)} for record in records)
        self._append([{"run": run_id, "data": each} for each in listed])

    def end(self, run_id: str, status: Status, ended_ms: int | None = None, reason: str | None = None) -> None:
        """A line with the status; without a reason it has none."""
        line = {"run": run_id, "status": status, "ended_ms": ended_ms, "reason": reason}
        self._append([{name: value for name, value in line.items() if value is not None}])

    def discard(self, run_id: str) -> None:
        """Write the file without the run's lines."""
        with self._locked():
            with self.file.open(encoding="utf-8") as lines, replacing_file(self.file) as draft:
                kept = (line for line in lines if json.loads(line)["run"] != run_id)
                draft.write_text("".join(kept), encoding="utf-8")
        self._runs.pop(run_id, None)

    def describe(self, run_id: str, text: str) -> None:
        """A tag."""
        self.log(run_id, (), tags={NOTE_TAG: text})

    def close(self, status: Status) -> None:
        """A line for the whole study."""
        self.end(self._id(STUDY_KEY), status)

    def _id(self, key: str) -> str:
        return f"{self._study.uid}/{key}"

    def _own_lines(self) -> Iterator[dict[str, Any]]:
        """The lines of this study."""
        if self.file.exists():
            with self.file.open(encoding="utf-8") as lines:
                for text in lines:
                    line: dict[str, Any] = json.loads(text)
                    if str(line["run"]).startswith(f"{self._study.uid}/"):
                        yield line

    def _note(self, line: Mapping[str, Any]) -> None:
        run = self._runs.setdefault(line["run"], _KnownRun())
        if "status" in line:
            run.status = line["status"]
            if run.status != "RUNNING":
                run.lines = None
        elif run.lines is not None:
            run.lines.add(_hash(line))
        run.attempt = line.get("tags", {}).get("sweep.attempt", run.attempt)
        run.parameters |= line.get("parameters", {}).keys()

    def _is_there(self, line: Mapping[str, Any]) -> bool:
        """Whether the very same line was written before; of statuses only the last one counts."""
        run = self._runs.get(line["run"])
        if run is None:
            return False
        if "status" in line:
            return bool(run.status == line["status"])
        if run.lines is None:  # it had ended and goes on, or is sent again: rare
            run.lines = {_hash(other) for other in self._own_lines() if other["run"] == line["run"]}
        return _hash(line) in run.lines

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        with self._locked():
            cut_torn_line(self.file)
            new = []
            for line in lines:
                if not self._is_there(line):
                    new.append(json.dumps(line))
                    self._note(line)
            if new:
                append_lines(self.file, new, sync=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (OSError, Timeout) as error:
            self._runs = {}  # what was noted may not have been written: the next attempt opens anew
            raise TrackerAway(str(error)) from error


def _hash(line: Mapping[str, Any]) -> int:
    return hash(json.dumps(line))
