"""`study.warm_start=NAME`: finished trials of another study are taken over where they are trials of this one.

Whether they are is decided by the fingerprint of their settings: what this study would run at the same point must be
what the other study ran. What the settings name must be the same, too: the data, as far as both are recorded.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.errors import InputError
from sweep.records.data_record import DataRecord, changed_data, read_records
from sweep.records.files import replacing_folder
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.identity import differences, has_fingerprint, outside, result_settings
from sweep.study.arrivals import Arrivals
from sweep.study.goals import with_halves
from sweep.study.point import Point
from sweep.study.readonly import RelationalReader
from sweep.study.storage import StudyMissing
from sweep.study.store import StudyStore


@dataclass(frozen=True)
class Origin:
    """Another study: the settings it was run with, and its COMPLETE trials with their results."""

    folder: StudyFolder
    settings: dict[str, Any]
    trials: list[tuple[Point, TrialResult]]

    @property
    def searched(self) -> set[str]:
        """The config paths that it searched."""
        return {path.removeprefix("study.space.") for path in self.settings if path.startswith("study.space.")}


def warm_start(
    store: StudyStore,
    settings: Settings,
    settings_at: Callable[[dict[str, Any]], Settings],
    data: Sequence[DataRecord],
) -> int:
    """Take over what fits, once; how many trials of a grid, or points of a search, were added.

    In a grid they are finished trials with their folders; in a search the sampler knows their points, and the target
    stays. `settings_at` composes this study's settings with assignments, `data` are its data. Raises InputError if
    there is no such study, if it was run with other settings outside of both spaces, or on other data.
    """
    name = settings.study.warm_start
    if name is None:
        return 0
    origin = _read(store, settings, name)
    now, searched = result_settings(settings), set(settings.study.space)
    lines = differences(outside(origin.settings, origin.searched, searched), outside(now, origin.searched, searched))
    if lines:
        raise InputError(f"study.warm_start={name}: it was run with other settings:\n" + "\n".join(lines))
    fitting: dict[str, list[tuple[Point, TrialResult]]] = {}
    folders: list[tuple[Path, Point, TrialResult]] = []
    for there, result in origin.trials:
        here = _same_trial(there, result, origin, settings, settings_at)
        if here is not None:
            folder = origin.folder.trial(there.key).path
            _check_data(name, read_records(folder) or read_records(origin.folder.path), data)
            fitting.setdefault(here.without_seed, []).append((here, result))
            folders.append((folder, here, result))
    for folder, here, result in folders:
        if settings.study.is_grid and store.is_wanted(here):
            _copy(folder, store.folder.trial(here.key).path, result)
    return sum(store.adopt(trials, name) for trials in fitting.values())


def _check_data(name: str, then: Sequence[DataRecord], now: Sequence[DataRecord]) -> None:
    """Raise InputError if a trial of the other study had data that have changed since; those of which nothing is
    recorded, by an earlier version, are taken to be the same."""
    if changed := changed_data(then, now):
        raise InputError(
            f"study.warm_start={name}: it was run on other data: {changed}; leave study.warm_start out, or put the "
            "data back and give this study another name: study.name=NAME"
        )


def _read(store: StudyStore, settings: Settings, name: str) -> Origin:
    """Read the other study: from the database in its own folder, or else from this study's server."""
    folder = StudyFolder(store.folder.path.parent / name)
    elsewhere: dict[str, Any] = {"storage": None} if folder.database.exists() else {}
    try:
        reader = RelationalReader(folder.database, settings.study.model_copy(update={"name": name, **elsewhere}))
    except StudyMissing:
        others = {file.parent.name for file in folder.path.parent.glob("*/config.yaml")} - {settings.study.name}
        known = ", ".join(sorted(others)) or "none"
        raise InputError(
            f"study.warm_start={name}: there is no such study in {folder.path.parent} ({known})"
        ) from None
    trials = []
    listed = reader.trials().values()
    if missing := [trial.key for trial in Arrivals(folder).missing(listed) if trial.state == "COMPLETE"]:
        raise InputError(
            f"study.warm_start={name}: {len(missing)} of its trials were run on other machines, and their results "
            f"are not in {folder.path} ({missing[0]}{', …' if missing[1:] else ''}): its own command fetches them"
        )
    for trial in listed:
        result = folder.trial(trial.key).read_result() if trial.state == "COMPLETE" else None
        if result is not None:
            trials.append((trial.point, with_halves(result, folder.trial(trial.key), settings.study)))
    origin = Origin(folder, dict(reader.attributes().get("settings", {})), trials)
    reader.close()
    return origin


def _same_trial(
    there: Point,
    result: TrialResult,
    origin: Origin,
    settings: Settings,
    settings_at: Callable[[dict[str, Any]], Settings],
) -> Point | None:
    """The point of this study that stands for the very same trial, or None."""
    if any(
        settings.study.selected(objective.metric) not in result.metrics for objective in settings.study.objectives
    ):
        return None
    for values in _candidates(there, origin, settings):
        here = Point(values, there.seed)
        try:
            same = has_fingerprint(settings_at(here.assignments), result.fingerprint)
        except InputError:  # values that do not go together here
            continue
        if same:
            return here
    return None


def _candidates(there: Point, origin: Origin, settings: Settings) -> Iterator[dict[str, Any]]:
    """What the trial may be in this study's space, as far as its own space and settings tell."""
    known: dict[str, list[Any]] = {}
    for path, dimension in settings.study.space.items():
        if path in there.values:
            candidates = [there.values[path]]
        elif path in origin.settings:
            candidates = [origin.settings[path]]
        else:  # a group of the configuration, or a path below one that the other study searched
            candidates = list(dimension.listed)
        known[path] = [value for value in candidates if dimension.holds(value)]
    active = settings.study.combinations({path: values or [None] for path, values in known.items()})
    for values in active:
        if all(known[path] for path in values):
            yield values


def _copy(origin: Path, target: Path, result: TrialResult) -> None:
    """Copy a finished trial's folder, with what this study wants of its result; whole or not at all."""
    if target.exists():
        return
    with replacing_folder(target) as draft:
        shutil.copytree(origin, draft, ignore=shutil.ignore_patterns("checkpoint", "embeddings"), dirs_exist_ok=True)
        TrialFolder(draft).write_result(result)
