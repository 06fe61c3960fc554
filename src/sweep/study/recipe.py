"""What the owner of a study leaves for those who join it: what its settings are composed of, and its data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sweep import __version__
from sweep.launch.liveness import place_of
from sweep.records.data_record import DataRecord
from sweep.settings import Settings
from sweep.settings.base import flattened
from sweep.settings.compose import Composer
from sweep.settings.identity import differences, result_settings
from sweep.study.store import StudyStore

RECIPE = "recipe"  # the study's attribute
OF_A_MACHINE = ("storage", "patience_s")  # settings of a study that say nothing of its trials


@dataclass(frozen=True)
class Recipe:
    """Attributes of a study that tell another machine how to work on it.

    `version`: the package's. `place`: a name of the owner's folder (`sweep.launch.liveness`).
    `overrides`: as the owner composed them. No password is among them, since none may stand on a command line; what
    refers to the environment is no value of the owner's, but a reference. `config_dir`: the folder of groups of its
    own, on its machine. `study`: the section of the settings, for a target that is the same. `data`: what the data
    hold. `results`: the settings that change results, as the study remembers them.
    """

    version: str
    place: str
    overrides: tuple[str, ...]
    config_dir: str | None
    study: Mapping[str, Any]
    data: tuple[DataRecord, ...]
    results: Mapping[str, Any]

    def differences(self, settings: Settings) -> list[str]:
        """One line for each setting that is not the owner's, of those that decide about results or the target."""
        return [*differences(self.results, result_settings(settings)), *_other_target(self.study, settings)]


def leave_recipe(store: StudyStore, settings: Settings, composer: Composer, data: tuple[DataRecord, ...]) -> None:
    """Leave a study's recipe in its database, before the first trial that it is about."""
    recipe = {
        "version": __version__,
        "place": place_of(store.folder.workers),
        "overrides": list(composer.overrides),
        "config_dir": composer.config_dir,
        "study": _study(settings),
        "data": [{**asdict(record), "languages": list(record.languages)} for record in data],
    }

    def change() -> None:
        if store.storage.attributes().get(RECIPE) != recipe:
            store.storage.set_attribute(RECIPE, recipe)

    store.storage.change(change)


def recipe_of(attributes: Mapping[str, Any]) -> Recipe | None:
    """What an owner left among a study's attributes; None if it has not done so yet."""
    left = attributes.get(RECIPE)
    if left is None:
        return None
    return Recipe(
        version=left["version"],
        place=left["place"],
        overrides=tuple(left["overrides"]),
        config_dir=left["config_dir"],
        study=left["study"],
        data=tuple(DataRecord(**{**each, "languages": tuple(each["languages"])}) for each in left["data"]),
        results=attributes["settings"],
    )


def _study(settings: Settings) -> dict[str, Any]:
    study = settings.study.model_dump(mode="json")
    return {name: value for name, value in study.items() if name not in OF_A_MACHINE}


def _other_target(then: Mapping[str, Any], settings: Settings) -> list[str]:
    one, other = (flattened({"study": study}) for study in (then, _study(settings)))
    return differences(one, other)
