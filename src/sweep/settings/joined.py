"""The overrides of a study that another command owns, as they are composed on a machine that helps with it."""

from collections.abc import Sequence

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sweep.errors import InputError
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.overrides import parsed, with_text
from sweep.settings.wording import excerpt

# What belongs to a machine, and not to the study.
SECTIONS = ("launcher", "paths", "tracking", "report")
KEYS = ("study.name", "study.storage", "study.patience_s")


def joins(overrides: Sequence[str]) -> bool:
    """Whether a command line asks to help with a study: `launcher=join`."""
    return any(one.key_or_group == "launcher" and one.value() == "join" for one in _parsed(overrides))


def of_machine(overrides: Sequence[str]) -> list[str]:
    """Those that belong to a machine."""
    return [str(one.input_line) for one in _parsed(overrides) if _is_of_machine(one)]


def machine_settings(composer: Composer) -> Settings:
    """Settings of which only what belongs to a machine means something; the study's name is among it.

    Raises InputError if no study is named, or none that can be joined, and for what is wrong in them.
    """
    own = of_machine(composer.overrides)
    if not any(one.startswith("study.name=") for one in own):
        raise InputError("launcher=join: which study? Give its study.name=NAME, as its owner has it")
    settings = load_settings(Composer(composer.config_name, own, composer.config_dir))
    if settings.study.storage is None:
        raise InputError(
            "launcher=join needs a study on a PostgreSQL server, which other machines reach: give its "
            "study.storage='${oc.env:SWEEP_STORAGE}'. Without one a study is an SQLite file in its owner's folder, "
            "for the workers of that one command"
        )
    return settings


def joined_overrides(owners: Sequence[str], own: Sequence[str]) -> list[str]:
    """The owner's overrides, with `own` in the place of those that belong to a machine.

    Raises InputError for one of `own` that is about the study, and that the owner does not have.
    """
    for one in own:
        if one not in owners and not of_machine([one]):
            sections = ", ".join(f"{name}.*" for name in SECTIONS[:2])
            raise InputError(
                f"{excerpt(one)}: with launcher=join the settings are those of the command that owns the study; what "
                f"is of this machine may be given: {sections}, {', '.join(KEYS)}"
            )
    kept = [str(one.input_line) for one in _parsed(owners) if not _is_of_machine(one)]
    return [*kept, *of_machine(own)]


def _is_of_machine(override: Override) -> bool:
    key = override.key_or_group
    return key in KEYS or key.partition(".")[0].partition("/")[0] in SECTIONS


def _parsed(overrides: Sequence[str]) -> list[Override]:
    """Those that can be read: composing tells what is wrong with the others."""
    readable = []
    for one in map(with_text, overrides):
        try:
            readable += parsed([one])
        except HydraException:
            continue
    return readable
