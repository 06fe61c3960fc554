"""Typed settings from a composed configuration, and one line for every key that is wrong."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from sweep.errors import InputError, shortened
from sweep.settings import Section, flattened
from sweep.settings.secrets import redacted_leaves
from sweep.settings.tree import group_options
from sweep.settings.wording import listed
from sweep.settings.wrong_value import Wrong, of_details

MOST = 4  # wrong keys that are named at a time
LONGEST = 250  # characters about each
SettingsType = TypeVar("SettingsType", bound=Section)


def validated(config: DictConfig, into: type[SettingsType]) -> SettingsType:
    """Typed settings from a composed configuration. Raises InputError naming every wrong key."""
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        example = "a local folder or a Hugging Face name" if missing[0] == "model.path" else "VALUE"
        raise InputError(f"{missing[0]} is required and not set; add {missing[0]}={example}")
    return validated_plain(OmegaConf.to_container(config, resolve=True), into)


def validated_plain(plain: Any, into: type[SettingsType]) -> SettingsType:
    """Typed settings from a mapping without references. Raises InputError naming every wrong key."""
    try:
        # JSON mode keeps strictness ("1" is no number) and still reads a YAML list as a tuple.
        settings = into.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        # A list whose item is wrong is reported a second time as too short: noise.
        details = [detail for detail in error.errors() if detail["type"] != "too_short"] or error.errors()
        problems = of_details(details, plain, into)
        lines = [shortened(problem.line(), LONGEST) for problem in problems]
        if len(lines) > MOST:
            lines[MOST:] = [f"and {len(lines) - MOST} more"]
        raise InputError(_half_changed(problems) or "; ".join(lines)) from error
    for path, value in flattened(settings.model_dump(mode="json")).items():
        if redacted_leaves({path: value}) != {path: value}:
            raise InputError(
                f"{path}: there is a password in it, which results and trackers would show; only study.storage and "
                "tracking.uri may have one (for downloads ~/.netrc may)"
            )
    return settings


def _half_changed(problems: Sequence[Wrong]) -> str | None:
    """What to do where keys of one kind of a section have met the name of another kind."""
    missing, unknown = (
        {one.path[0] for one in problems if one.type == type and len(one.path) == 2 and "kind" in one.siblings()}
        for type in ("missing", "extra_forbidden")
    )
    for name in missing & unknown & set(group_options()):
        choices = listed(group_options()[str(name)])
        return f"the keys of {name} are not those of its kind: choose a whole section with {name}=NAME: {choices}"
    return None
