"""The files of a study:

config.yaml  study.db  identity.json  trials.csv  notes.json  data.json  tracking.cursor
report.html  answer.md  charts/*.png  command.txt                   what the study says so far, and the command
trials/<key>/{config.yaml, attempt.json, metrics.json, evaluation.json, ranks.parquet, losses.csv, log.txt,
              result.json, SHA256SUMS}
trials/<key>/ranks.<benchmark>.parquet                              of further benchmarks, if there are any
trials/<key>/data.json                                              names, sources and digests of its data
trials/<key>/{exposure.csv, validation.csv, system.csv}             rows that training saw; if asked for
baselines/<name>-<digest>/{metrics.json, evaluation.json, ranks.parquet}     what needs no training

`result.json` commits a trial: it is written last, and a trial that has one is never run again. `SHA256SUMS` has the
checksums of all that does not change afterwards.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sweep.errors import InputError, SweepError
from sweep.records.checksums import damaged_file, digest_of, write_checksums
from sweep.records.files import write_atomically
from sweep.records.results import ResultFolder
from sweep.records.values import TrialResult
from sweep.settings import BASELINES, OF_A_MODEL, UNTOUCHED, Section, Settings

__all__ = ["ResultFolder", "StudyFolder", "TrialFolder"]

RESULT = "result.json"


@dataclass(frozen=True)
class StudyFolder:
    """Paths of one study's files."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration of the study."""
        return self.path / "config.yaml"

    @property
    def database(self) -> Path:
        """Optuna's SQLite database."""
        return self.path / "study.db"

    @property
    def identity(self) -> Path:
        """By which id trackers know the study: it outlives the database."""
        return self.path / "identity.json"

    def read_uid(self) -> str | None:
        """The study's id, or None if the folder has none: it is new, or a copy that was given another name."""
        try:
            identity = json.loads(self.identity.read_text())
            return str(identity["uid"]) if identity["study"] == self.path.name else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write_uid(self, uid: str) -> None:
        """Keep the study's id."""
        if self.read_uid() != uid:
            write_atomically(self.identity, json.dumps({"study": self.path.name, "uid": uid}))

    @property
    def driver_lock(self) -> Path:
        """Held by the command that runs the study."""
        return self.path / "driver.lock"

    @property
    def driver(self) -> Path:
        """Which process that is."""
        return self.path / "driver.json"

    @property
    def workers(self) -> Path:
        """Locks, status and logs of workers."""
        return self.path / "workers"

    @property
    def trials_csv(self) -> Path:
        """One row a finished trial."""
        return self.path / "trials.csv"

    @property
    def report(self) -> Path:
        """What the study says, as a page."""
        return self.path / "report.html"

    @property
    def answer(self) -> Path:
        """The same in some lines of Markdown."""
        return self.path / "answer.md"

    @property
    def charts(self) -> Path:
        """Pictures of the report's main charts, as PNG."""
        return self.path / "charts"

    @property
    def notes(self) -> Path:
        """What a reader should know of the study's data."""
        return self.path / "notes.json"

    @property
    def tracking_cursor(self) -> Path:
        """What of this folder the tracker has already."""
        return self.path / "tracking.cursor"

    @property
    def runs(self) -> Path:
        """The runs as lines of JSON, where they are tracked that way."""
        return self.path / "runs.jsonl"

    def baseline(self, name: str, settings: Settings) -> ResultFolder:
        """The results of one that needs no training; those of other models or benchmarks have other folders."""
        parts: list[Section] = [*settings.evaluations, settings.languages]
        if name in OF_A_MODEL:
            parts.append(settings.model)
        digest = hashlib.sha256("".join(part.fingerprint() for part in parts).encode()).hexdigest()[:12]
        return ResultFolder(self.path / "baselines" / f"{name}-{digest}")

    def baselines(self) -> dict[str, ResultFolder]:
        """Those that are finished, by their names; a digest is added where several have one name. Version 0.1 had
        the untouched model alone, in a folder without a name."""
        folders = {file.parent.name: file.parent for file in self.path.glob("baselines/*/metrics.json")}
        names = {folder: folder.rpartition("-")[0] or UNTOUCHED for folder in folders}
        listed = list(names.values())
        return {
            (name if listed.count(name) == 1 else folder): ResultFolder(folders[folder])
            for folder, name in sorted(names.items(), key=lambda item: (BASELINES.index(item[1]), item[0]))
        }

    def trial(self, key: str) -> "TrialFolder":
        """The folder of one trial. Raises InputError for what is no key: a database is written by others, too."""
        if "/" in key or key in ("", ".", ".."):
            raise InputError(f"{self.path}: the study's database names a trial {key!r}, which no trial is called")
        return TrialFolder(self.path / "trials" / key)


@dataclass(frozen=True)
class TrialFolder(ResultFolder):
    """Paths of one trial's files."""

    @property
    def config(self) -> Path:
        """The resolved configuration of the trial."""
        return self.path / "config.yaml"

    @property
    def model(self) -> Path:
        """The trained model, if it was exported."""
        return self.path / "model"

    @property
    def checkpoint(self) -> Path:
        """Checkpoints of the training."""
        return self.path / "checkpoint"

    @property
    def embeddings(self) -> Path:
        """Embeddings of a large benchmark; only while it is evaluated."""
        return self.path / "embeddings"

    @property
    def validation(self) -> Path:
        """Values of every question at each validation, in one file a step."""
        return self.path / "validation"

    @property
    def losses(self) -> Path:
        """The loss curve."""
        return self.path / "losses.csv"

    @property
    def validations(self) -> Path:
        """Figures on what was held out of training, step by step."""
        return self.path / "validation.csv"

    @property
    def system(self) -> Path:
        """What its processes used of the machine, sample by sample."""
        return self.path / "system.csv"

    @property
    def exposure(self) -> Path:
        """Batches and rows of each language pair that training saw."""
        return self.path / "exposure.csv"

    @property
    def log(self) -> Path:
        """Notes of the trial while it ran."""
        return self.path / "log.txt"

    @property
    def attempt(self) -> Path:
        """Which attempt at the trial is the last one, and when the first one began."""
        return self.path / "attempt.json"

    def begin_attempt(self, number: int, now_ms: int) -> None:
        """Write down that an attempt (counted from 1) begins at `now_ms`, unix time in milliseconds."""
        started_ms = self.started_ms()
        text = json.dumps({"attempt": number, "started_ms": now_ms if started_ms is None else started_ms})
        write_atomically(self.attempt, text)

    def started_ms(self) -> int | None:
        """When the first attempt began, in unix milliseconds; None if nobody wrote it down, or no one can read it."""
        try:
            return int(json.loads(self.attempt.read_text())["started_ms"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write_result(self, result: TrialResult) -> None:
        """Write metrics.json, the checksums of all that belongs to the result, and then result.json, each
        atomically."""
        write_atomically(self.metrics, json.dumps(result.metrics, indent=1))
        text = json.dumps(asdict(result), indent=1)
        files = (self.config, self.metrics, self.details, *sorted(self.path.glob("ranks*.parquet")), self.exposure)
        digests = {file.name: digest_of(file) for file in files if file.exists()}
        write_checksums(self.path, {**digests, RESULT: hashlib.sha256(text.encode()).hexdigest()})
        write_atomically(self.path / RESULT, text)

    def read_result(self) -> TrialResult | None:
        """The committed result, or None while there is none. Raises SweepError if it is damaged."""
        try:
            return TrialResult(**json.loads((self.path / RESULT).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise SweepError(
                f"{self.path / RESULT} is damaged: study.rerun_damaged=true runs the trial again"
            ) from error

    def damage(self, every_byte: bool = True) -> str | None:
        """What of a finished trial is missing or not as it was written, such as "ranks.parquet is damaged"; None if
        all is well. A trial of an earlier version has no checksums: of it only result.json is looked at. Without
        `every_byte` only that the files are there is."""
        if not self.path.is_dir():
            return "its folder is missing"
        if not (self.path / RESULT).is_file():
            return f"{RESULT} is missing"
        problem = damaged_file(self.path, every_byte)
        if problem is None and every_byte:
            try:
                self.read_result()
            except SweepError:
                return f"{RESULT} is damaged"
        return problem
