"""Overrides of the command line: values as Hydra reads them, and what is refused before Hydra sees it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from sweep.errors import InputError
from sweep.settings.secrets import without_passwords
from sweep.settings.wording import excerpt, listed, suggestion

# What is text whatever it looks like: a folder may be called 2024, a,b or {x}.
_TEXT = re.compile(r"\+{0,2}(paths\.\w+|(\w+\.)*path|output|study\.(name|warm_start)|loss\.teacher|tracking\.uri)")
# Maps whose keys are the user's.
MAPS = (
    "study.space",
    "ratio.language_weights",
    "ratio.pair_weights",
    "ratio.source_weights",
    "launcher.options",
)
_REFERENCE = re.compile(r"\$\{[\w.:]+\}")  # without a default, which is a literal


def refuse_passwords(overrides: Sequence[str]) -> None:
    """Raise InputError if an override holds a password: everyone on the machine can read a command line."""
    for override in overrides:
        literal = _REFERENCE.sub("", override)
        if without_passwords(literal) != literal:
            key = override.partition("=")[0].lstrip("+")
            raise InputError(
                f"{without_passwords(key)}: everyone on this machine can read a password on the command line; put "
                "the URL into an environment variable and refer to it, as in study.storage='${oc.env:SWEEP_STORAGE}'"
            )


def with_text(override: str) -> str:
    """The override, with the value of a path or a name as text. One that is quoted for Hydra, refers to another key,
    or is null stays as it is."""
    key, mark, value = override.partition("=")
    if not mark or not _TEXT.fullmatch(key) or value in ("", "null") or value[0] in "'\"" or "${" in value:
        return override
    return assignment(key, value)


def parsed(overrides: Sequence[str]) -> list[Override]:
    """Overrides as Hydra reads them. Raises Hydra's OverrideParseException."""
    return OverridesParser.create().parse_overrides(list(overrides))


def check_choices(overrides: Sequence[Override], groups: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError if a group is given a value that is no choice of it, such as a number."""
    for override in overrides:
        group = override.key_or_group
        if group not in groups or override.is_delete():
            continue
        value = override.value()
        chosen = value if isinstance(value, list) else [value]
        if isinstance(value, dict) or set(map(str, chosen)) <= set(groups[group]):
            continue
        hint = suggestion(str(value), groups[group])
        if isinstance(value, (int, float)):
            hint = f"; a value of it is set by its key, as in {group}.KEY={value}"
        raise InputError(
            f"{group}={excerpt(str(value))}: no such choice; {group} is one of: {listed(groups[group])}{hint}"
        )


def without_maps(overrides: Sequence[Override]) -> tuple[list[str], dict[str, Any]]:
    """The overrides for Hydra, and the value of every map that is replaced as a whole (`MAPS`). Hydra would merge it
    into the old one, which leaves a dimension with both a grid and a range, or refuse its keys as unknown.

    Raises InputError for a list of values (`key=a,b`), which asks Hydra to sweep.
    """
    given: list[str] = []
    maps: dict[str, Any] = {}
    for override in overrides:
        if override.is_sweep_override():
            raise InputError(
                f"'{override.input_line}' lists several values; to search them, put them into the space: "
                f"'study.space={{{override.key_or_group}: {{grid: [...]}}}}'"
            )
        if override.key_or_group in MAPS and not override.is_delete():
            maps[override.key_or_group] = override.value()
        else:
            given.append(str(override.input_line))
    return given, maps


def assignment(path: str, value: Any) -> str:
    """A Hydra override that sets `path` to `value`, whatever characters a string has."""
    return f"{path}={_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        # In Hydra's quoted strings a backslash escapes only a quote, or backslashes right before a quote.
        return "'" + re.sub(r"(\\*)('|$)", lambda run: run[1] * 2 + ("\\'" if run[2] else ""), value) + "'"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_literal(item) for item in value) + "]"
    return json.dumps(value)
