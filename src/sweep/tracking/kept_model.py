"""The model of a study's best point, as it is registered: which one it is, and what is to be known of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.answer.points import PointRow, best_of, points_of
from sweep.records.checksums import digest_of
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.settings import StudySettings


@dataclass(frozen=True)
class KeptModel:
    """A model to register.

    Attributes:
        name: under which the registry has its versions.
        folder: a folder of sentence-transformers.
        digest: of all files of the folder (SHA-256, hex).
        tags: what a version of it is tagged with.
        description: the same to read, in Markdown.
        trial_run: the run of its trial, None if that has none.
        metrics: figures of its trial.
        finished_ms: when the trial ended, in unix milliseconds.
        step: the steps it was trained for.
        versions: of the libraries that trained it.
    """

    name: str
    folder: Path
    digest: str
    tags: Mapping[str, str]
    description: str
    trial_run: str | None
    metrics: Mapping[str, float]
    finished_ms: int
    step: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class ChosenTrial:
    """The trial with the model of the best point, and among how many points that was chosen. `record` is None if no
    trial of the point has a model."""

    point: PointRow
    among: int
    record: TrialRecord | None


def chosen_trial(folder: StudyFolder, records: Sequence[TrialRecord], study: StudySettings) -> ChosenTrial | None:
    """The best point by the only objective, among those that may be the best and have every seed; of its trials the
    first one with a model. None while there is no such point."""
    points = points_of(records, study.confirmed_seeds)
    whole = [point for point in points if point.may_win and len(point.records) >= len(study.seeds)]
    best = best_of(whole, study.objectives[0])
    if best is None:
        return None
    with_model = [record for record in best.records if folder.trial(record.key).model.is_dir()]
    first = min(with_model, key=lambda record: record.seed, default=None)
    return ChosenTrial(best, len(whole), first)


def state_of(folder: Path) -> str:
    """A digest of names, sizes and times of the files, without reading them."""
    states = [(file, file.stat()) for file in _files(folder)]
    text = "".join(f"{file.relative_to(folder)} {state.st_size} {state.st_mtime_ns}\n" for file, state in states)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of_folder(folder: Path) -> str:
    """SHA-256 (hex) of the names and contents of all files."""
    text = "".join(f"{digest_of(file)}  {file.relative_to(folder).as_posix()}\n" for file in _files(folder))
    return hashlib.sha256(text.encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())
