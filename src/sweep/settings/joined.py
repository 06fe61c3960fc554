"""The overrides of a study that another command owns, as they are composed on a machine that helps with it.

They come from a database that others can write to, too. So what makes this machine run code, ask a server, or read
its environment counts only if its own command says the same, and what the settings do not need is refused.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

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
# Of what an override reaches beyond the study with: references, URLs, code that comes with a model.
REACHING = ("${", "://", "trust_remote_code")
MOST_CHARACTERS = 4 << 20  # of all overrides: a grid of a hundred thousand values takes one million


def joins(overrides: Sequence[str]) -> bool:
    """Whether a command line asks to help with a study: `launcher=join`."""
    return any(one.key_or_group == "launcher" and one.value() == "join" for one in _readable(overrides))


def of_machine(overrides: Sequence[str]) -> list[str]:
    """Those that belong to a machine."""
    return [str(one.input_line) for one in _readable(overrides) if _is_of_machine(one)]


def of_study(overrides: Sequence[str]) -> list[str]:
    """Those that belong to the study, which are all others."""
    return [one for one in overrides if not of_machine([one])]


def reaching_out(overrides: Sequence[str]) -> list[str]:
    """Those of the study that make a machine run code, ask a server, or read its environment: a command that joins
    has to have them, too."""
    return [str(one.input_line) for one in _readable(of_study(overrides)) if _reaches_out(one)]


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

    Raises InputError for one of `own` that is about the study, and that the owner does not have; and for one of the
    owner's that reaches beyond the study, and that `own` does not have, or that no settings need.
    """
    kept = [one for one in _strictly_read(owners) if not _is_of_machine(one)]
    given = _readable(own)
    for one in given:
        if not _is_of_machine(one) and not _is_among(one, kept):
            sections = ", ".join(f"{name}.*" for name in SECTIONS[:2])
            raise InputError(
                f"{excerpt(str(one.input_line))}: with launcher=join the settings are those of the command that owns "
                f"the study; what is of this machine may be given: {sections}, {', '.join(KEYS)}"
            )
    if unnamed := [one for one in kept if _reaches_out(one) and not _is_among(one, given)]:
        lines = "\n".join(f"  {_quoted(str(one.input_line))}" for one in unnamed)
        raise InputError(
            "the study's settings, as its database has them, make this machine run code, ask a server or read its "
            "environment, and whoever can write there may have written them. If you expect these, repeat them in "
            f"this command:\n{lines}"
        )
    return [*(str(one.input_line) for one in kept), *of_machine(own)]


def _strictly_read(owners: Sequence[str]) -> list[Override]:
    """Overrides that somebody else wrote. Raises InputError for what none of a study's can be."""
    if sum(map(len, owners)) > MOST_CHARACTERS:
        raise InputError(f"the settings in the study's database are longer than {MOST_CHARACTERS >> 20} MiB")
    read = []
    for one in owners:
        override = _read(one)
        if override is None:
            raise InputError(f"the settings in the study's database have {excerpt(one)!r}: not readable")
        if "hydra" in one.partition("=")[0] or override.is_sweep_override():
            raise InputError(f"the settings in the study's database have {excerpt(one)!r}: no setting of a study")
        read.append(override)
    return read


def _reaches_out(override: Override) -> bool:
    """Whether its key, or any text in its value, is one that reaches beyond the study."""
    if override.key_or_group == "study.artifacts":
        return override.value() is not None
    texts = [str(override.input_line), *_texts(override.value())]
    return any(mark in text for text in texts for mark in REACHING)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)


def _is_among(override: Override, others: Sequence[Override]) -> bool:
    """Whether another one says the same, however it is quoted."""
    return any(_meaning(override) == _meaning(other) for other in others)


def _meaning(override: Override) -> tuple[object, ...]:
    values = list(_texts(override.value()))
    return override.type, override.key_or_group, override.package, values, repr(type(override.value()))


def _quoted(override: str) -> str:
    return "'" + override.replace("'", "'\\''") + "'"


def _is_of_machine(override: Override) -> bool:
    key = override.key_or_group
    return key in KEYS or key.partition(".")[0].partition("/")[0] in SECTIONS


def _readable(overrides: Sequence[str]) -> list[Override]:
    """Those that can be read: composing tells what is wrong with the others."""
    return [override for override in map(_read, overrides) if override is not None]


@lru_cache(maxsize=1000)  # a grid of thousands of values takes a while
def _read(override: str) -> Override | None:
    try:
        (read,) = parsed([with_text(override)])
    except (HydraException, ValueError, RecursionError):
        return None
    return read
