"""Typed settings from a composed configuration, and one line for every key that is wrong."""

import json
import re
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from sweep.errors import InputError
from sweep.settings import Section, flattened
from sweep.settings.secrets import redacted_leaves

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
        raise InputError("; ".join(map(_problem, details))) from error
    for path, value in flattened(settings.model_dump(mode="json")).items():
        if redacted_leaves({path: value}) != {path: value}:
            raise InputError(
                f"{path}: there is a password in it, which results and trackers would show; only study.storage and "
                "tracking.uri may have one (for downloads ~/.netrc may)"
            )
    return settings


def _problem(detail: Any) -> str:
    """One pydantic error as '<key>: <what is allowed>, not <value>'."""
    location = [str(part) for part in detail["loc"]]
    # A tagged union puts its tag into the location: data.cldr.records -> data.records.
    for section in ("data", "evaluation", "model", "tracking", "launcher"):
        if len(location) > 1 and location[0] == section:
            location = [section, *location[2:]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{key}'"
    if detail["type"] == "value_error":
        return f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
    if detail["type"] == "missing":
        return f"{key} is missing"
    wanted = re.sub(r"^(Input|String|Tuple|Dictionary) should ", "", str(detail["msg"])).replace("be a valid", "be a")
    return f"{key}={detail['input']!r}: must {wanted}"
