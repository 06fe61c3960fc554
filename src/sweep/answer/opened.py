"""A study as its folder has it, which somebody else may have written: no place outside is asked unless whoever opens
it names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from sweep.answer.contents import StudyState
from sweep.errors import InputError
from sweep.launch.liveness import held
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.load import saved_settings
from sweep.settings.overrides import refuse_passwords
from sweep.settings.secrets import without_passwords
from sweep.settings.storage import StorageUrl
from sweep.study.ownership import Owner, present_owner
from sweep.study.view import StudyView


@dataclass(frozen=True)
class Study:
    """A study as its folder has it."""

    folder: StudyFolder
    settings: Settings
    view: StudyView

    @cached_property
    def owner(self) -> Owner | None:
        """The command that owns it now, wherever that runs; None if its database is on no server."""
        study = self.settings.study
        return None if study.storage is None else present_owner(study.storage, study.name, self.view.attributes())

    @property
    def state(self) -> StudyState:
        """Whether a command runs it, and if none does, whether it has what it wants, or might get it. Of trials that
        other machines have ended and that are not here it has nothing."""
        if held(self.folder.driver_lock) or self.owner is not None:
            return "running"
        return self.ending

    @property
    def ending(self) -> StudyState:
        """The same, if no command runs it."""
        if self.view.here() >= self.view.target:
            return "complete"
        return "stopped" if self.view.unfinished() or self.view.missing() else "failed trials"


@contextmanager
def opened(folder: StudyFolder, storage: str | None = None, option: str = "--storage ") -> Iterator[Study]:
    """A study to look at; it is neither created nor changed. `storage`: the server that the caller names, which a
    study's database is looked for on if it is on one; `option` is how the caller's user names it.

    Raises InputError if its database is elsewhere and the caller names no place.
    """
    saved = saved_settings(folder.config)
    settings = saved.settings
    if saved.storage is not None:
        if storage is None:
            raise InputError(
                f"its database is on a server, {without_passwords(saved.storage)!r}: to ask it give the URL that you "
                f"know, {option}'${{oc.env:SWEEP_STORAGE}}'"
            )
        study = settings.study.model_copy(update={"storage": _storage(option.rstrip(" ="), storage)})
        settings = settings.model_copy(update={"study": study})
    view = StudyView.open(folder, settings.study)
    try:
        yield Study(folder, settings, view)
    finally:
        view.close()


def _storage(option: str, given: str) -> StorageUrl:
    try:
        return TypeAdapter(StorageUrl).validate_python(with_environment(option, given))
    except ValidationError as error:
        raise InputError(f"{option}: {error.errors()[0]['ctx']['error']}") from error


def with_environment(option: str, given: str) -> str:
    """An option's text, with what it takes from the environment, as overrides may. Raises InputError."""
    refuse_passwords([f"{option}={given}"])
    try:
        return str(OmegaConf.create({"value": given})["value"])
    except OmegaConfBaseException as error:
        raise InputError(f"{option}: {' '.join(str(error).split())}") from error
