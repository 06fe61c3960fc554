"""What the owner of a study leaves for those who join it: what its settings are composed of, and its data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from sweep import __version__
from sweep.errors import InputError
from sweep.launch.liveness import place_of
from sweep.records.data_record import DataRecord
from sweep.settings import Settings
from sweep.settings.base import flattened
from sweep.settings.compose import Composer
from sweep.settings.identity import differences, result_settings
from sweep.settings.joined import of_study
from sweep.study.ownership import Ownership
from sweep.study.store import StudyStore

RECIPE = "recipe"  # the study's attribute
OF_A_MACHINE = ("storage", "patience_s")  # settings of a study that say nothing of its trials


@dataclass(frozen=True)
class Recipe:
    """Attributes of a study that tell another machine how to work on it.

    `version`: the package's. `place`: a name of the owner's folder (`sweep.launch.liveness`).
    `overrides`: as the owner composed them, without those that belong to its machine. No password is among them,
    since none may stand on a command line; what refers to the environment is a reference, and no value.
    `config_dir`: the folder of groups of its own, on its machine. `study`: the section of the settings, for a target
    that is the same. `data`: what the data hold. `results`: the settings that change results, as the study remembers
    them.
    """

    version: Annotated[str, Field(pattern=r"^[\w.+-]{1,40}$")]
    place: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    overrides: tuple[str, ...]
    config_dir: str | None
    study: Mapping[str, Any]
    data: Annotated[tuple[DataRecord, ...], Field(min_length=1)]
    results: Mapping[str, Any]

    def differences(self, settings: Settings) -> list[str]:
        """One line for each setting that is not the owner's, of those that decide about results or the target."""
        return [*differences(self.results, result_settings(settings)), *_other_target(self.study, settings)]


def leave_recipe(
    store: StudyStore, settings: Settings, composer: Composer, data: tuple[DataRecord, ...], ownership: Ownership
) -> None:
    """Leave a study's recipe in its database, before the first trial that it is about. Raises SweepError if the study
    is another command's by now."""
    recipe = {
        "version": __version__,
        "place": place_of(store.folder.workers),
        "overrides": of_study(composer.overrides),
        "config_dir": composer.config_dir,
        "study": _study(settings),
        "data": [{**asdict(record), "languages": list(record.languages)} for record in data],
    }

    def change() -> None:
        ownership.check(store.storage)
        if store.storage.attributes().get(RECIPE) != recipe:
            store.storage.set_attribute(RECIPE, recipe)

    store.storage.change(change)


def recipe_of(attributes: Mapping[str, Any]) -> Recipe | None:
    """What an owner left among a study's attributes; None if it has not done so yet.

    Raises InputError if it is something else, which another version or somebody else has written.
    """
    left = attributes.get(RECIPE)
    if left is None:
        return None
    try:
        return _READ.validate_python({**left, "results": attributes.get("settings")})
    except (ValidationError, TypeError) as error:
        version = left.get("version", "unknown") if isinstance(left, dict) else "unknown"
        raise InputError(
            f"what the study's database has for those who join cannot be read: it was written by version "
            f"{str(version)[:40]!r} of this program, and this is {__version__}"
        ) from error


_READ = TypeAdapter(Recipe)


def _study(settings: Settings) -> dict[str, Any]:
    study = settings.study.model_dump(mode="json")
    return {name: value for name, value in study.items() if name not in OF_A_MACHINE}


def _other_target(then: Mapping[str, Any], settings: Settings) -> list[str]:
    one, other = (flattened({"study": study}) for study in (then, _study(settings)))
    return differences(one, other)
