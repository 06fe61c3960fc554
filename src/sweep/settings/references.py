"""References in a configuration, `${train.steps}` and `${oc.env:NAME}`: resolved, or one line for the one that cannot
be."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from sweep.errors import InputError
from sweep.settings.wording import suggestion

KNOWN = "references are ${KEY}, such as ${train.steps}, and ${oc.env:NAME} or ${oc.env:NAME,DEFAULT}"


def resolve(config: DictConfig) -> None:
    """Put the values in the place of all references. Raises InputError that names the key."""
    try:
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        for path, broken in _broken(config, ""):
            raise InputError(f"{path}: {_explained(broken, config)}") from error
        raise


def explain_grammar(error: GrammarParseError) -> str:
    """What is wrong with a reference that cannot be read."""
    place = f"{error.full_key}: " if error.full_key else ""
    return f"{place}a reference is not closed or not well formed: {KNOWN}; a dollar sign before a brace is \\${{"


def _broken(node: Any, path: str) -> Iterator[tuple[str, OmegaConfBaseException]]:
    names = range(len(node)) if isinstance(node, ListConfig) else list(node)
    for name in names:
        place = f"{path}.{name}" if path else str(name)
        if OmegaConf.is_missing(node, name):
            continue
        try:
            child = node[name]
        except OmegaConfBaseException as error:
            yield place, error
        else:
            if isinstance(child, (DictConfig, ListConfig)) and not OmegaConf.is_interpolation(node, name):
                yield from _broken(child, place)


def _explained(error: OmegaConfBaseException, config: DictConfig) -> str:
    text = str(error).splitlines()[0]
    quoted = re.search(r"'([^']+)'", text)
    name = quoted[1] if quoted else ""
    if "Environment variable" in text:
        return f"the environment variable {name} is not set; set it with: export {name}=VALUE"
    if isinstance(error, InterpolationKeyError):
        return f"it refers to '{name}', and there is no such key{suggestion(name, _paths(config, ''))}"
    if isinstance(error, UnsupportedInterpolationType):
        return f"it has a reference of unknown type '{text.rsplit(' ', 1)[-1]}'; {KNOWN}"
    if "Recursive" in text:
        return "it refers to itself, maybe by way of other keys"
    if isinstance(error, GrammarParseError):
        return explain_grammar(error)
    return f"a reference cannot be resolved ({text})"


def _paths(node: Any, before: str) -> list[str]:
    if not isinstance(node, DictConfig):
        return []
    names = list(map(str, node))
    return [before + name for name in names] + [
        path
        for name in names
        if not OmegaConf.is_missing(node, name) and not OmegaConf.is_interpolation(node, name)
        for path in _paths(node[name], f"{before}{name}.")
    ]
