"""A study as its folder has it, which somebody else may have written: no place outside is asked unless the command
names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from sweep.errors import InputError
from sweep.records.folder import StudyFolder
from sweep.settings import JsonLinesTracking, Settings, TrackingSettings
from sweep.settings.load import saved_settings
from sweep.settings.overrides import refuse_passwords
from sweep.settings.secrets import without_passwords
from sweep.settings.storage import StorageUrl
from sweep.settings.tracking import TrackingUri
from sweep.study.view import StudyView
from sweep.tracking.protocol import Place
from sweep.tracking.registry import place_of


@dataclass(frozen=True)
class Study:
    """A study as its folder has it."""

    folder: StudyFolder
    settings: Settings
    view: StudyView


@contextmanager
def opened(folder: StudyFolder, storage: str | None = None) -> Iterator[Study]:
    """A study to look at; it is neither created nor changed. `storage`: the server that the command names, which a
    study's database is looked for on if it is on one.

    Raises InputError if its database is elsewhere and the command names no place.
    """
    saved = saved_settings(folder.config)
    settings = saved.settings
    if saved.storage is not None:
        if storage is None:
            raise InputError(
                f"its database is on a server, {without_passwords(saved.storage)!r}: to ask it give the URL that you "
                "know, --storage '${oc.env:SWEEP_STORAGE}'"
            )
        study = settings.study.model_copy(update={"storage": _storage(storage)})
        settings = settings.model_copy(update={"study": study})
    view = StudyView.open(folder, settings.study)
    try:
        yield Study(folder, settings, view)
    finally:
        view.close()


def _storage(given: str) -> StorageUrl:
    try:
        return TypeAdapter(StorageUrl).validate_python(_resolved("--storage", given))
    except ValidationError as error:
        raise InputError(f"--storage: {error.errors()[0]['ctx']['error']}") from error


def _resolved(option: str, given: str) -> str:
    """An option's text, with what it takes from the environment, as overrides may. Raises InputError."""
    refuse_passwords([f"{option}={given}"])
    try:
        return str(OmegaConf.create({"value": given})["value"])
    except OmegaConfBaseException as error:
        raise InputError(f"{option}: {' '.join(str(error).split())}") from error


def tracked_at(study: Study, tracking: str | None) -> Place:
    """Where a study is to be tracked: where its folder says if that is within the sweeps folder, or else where the
    command says. Raises InputError."""
    settings = study.settings.tracking
    is_file = isinstance(settings, JsonLinesTracking)
    if tracking is not None:
        text = _resolved("--tracking", tracking)
        settings = settings.model_copy(update={"path": text} if is_file else {"uri": TrackingUri(text)})
    place, sweeps = place_of(settings, study.folder), study.folder.path.parent
    if tracking is None and not _is_within(settings, sweeps.resolve()):
        raise InputError(
            f"its tracker is outside of {sweeps}, at {place.name}: to send what is there give the "
            "place that you know, --tracking " + ("FILE" if is_file else "URI")
        )
    if problem := place.problem():
        raise InputError(problem)
    return place


def _is_within(settings: TrackingSettings, sweeps: Path) -> bool:
    """Whether what is tracked goes to a file in this folder, which holds nothing but studies."""
    if isinstance(settings, JsonLinesTracking):
        return settings.path is None or Path(settings.path).resolve().is_relative_to(sweeps)
    if settings.uri is None:
        return True
    kind, slashes, file = settings.uri.get_secret_value().partition(":///")  # options may name another file
    return (kind, slashes) == ("sqlite", ":///") and "?" not in file and Path(file).resolve().is_relative_to(sweeps)
