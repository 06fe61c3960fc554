"""Saved configurations as plain data: whoever wrote the file, reading it runs nothing, resolves nothing and ends."""

import stat
from pathlib import Path
from typing import Any

import yaml

from sweep.errors import InputError

MOST_BYTES = 4 << 20  # a grid of a hundred thousand values takes one
MOST_LEVELS = 50
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C it takes a tenth of the time


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a file: texts, numbers, lists and mappings, as they are written there.

    Raises InputError, in one line, for a file that is too large, no UTF-8, no YAML, or no such mapping. Anchors are
    refused, which no command writes: a kilobyte of them may stand for more than fits into memory.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
            raise InputError(f"{file}: it is no file")
        with file.open("rb") as content:
            raw = content.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    if len(raw) > MOST_BYTES:
        raise InputError(f"{file}: it is larger than {MOST_BYTES >> 20} MiB, which no configuration is")
    try:
        text = raw.decode("utf-8")
        _check_events(text)
        tree = yaml.load(text, _LOADER)
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: it is no UTF-8 text (byte {error.start})") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(f"{file}: it cannot be read as YAML ({_reason(error)})") from error
    if not isinstance(tree, dict) or not _is_plain(tree):
        raise InputError(f"{file}: it is not a configuration: a mapping of texts, numbers, lists and mappings")
    return tree


def _check_events(text: str) -> None:
    """Raises ValueError for what would not end or not be plain, before anything is built."""
    level = 0
    for event in yaml.parse(text, _LOADER):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise ValueError(f"more than {MOST_LEVELS} levels")
        if isinstance(event, yaml.AliasEvent):
            line = "" if event.start_mark is None else f"line {event.start_mark.line + 1} "
            raise ValueError(f"{line}refers to an anchor")


def _is_plain(tree: Any) -> bool:
    if isinstance(tree, dict):
        return all(isinstance(name, (str, int, float)) and _is_plain(value) for name, value in tree.items())
    if isinstance(tree, list):
        return all(map(_is_plain, tree))
    return tree is None or isinstance(tree, (str, bool, int, float))


def _reason(error: Exception) -> str:
    """The problem and its line, without the text that it is in."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or ("not YAML" if isinstance(error, yaml.YAMLError) else str(error))
    return f"{problem}, line {mark.line + 1}" if mark is not None else str(problem)[:200]
