"""Which file of a folder has which language."""

import re
from collections.abc import Iterable
from pathlib import Path

from sweep.errors import InputError
from sweep.settings.language import named_language

_MLQA = re.compile(r"context-([a-z]{2,3})-question-([a-z]{2,3})$")
_SHOWN = 5  # names of a folder in a message


def language_files(folder: Path) -> dict[str, Path]:
    """The JSON file of each language, by its name (see `sweep.settings.language`): `en.json`, `xquad.en.json`,
    `zho_Hans.json`, `test-context-en-question-en.json`.

    Hidden files are not looked at, and neither are those whose name ends in no language (`README.json`) or names two
    (MLQA's questions on contexts in another language). Raises InputError for a language with two files.
    """
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.json")):
        code = None if file.name.startswith(".") or file.is_dir() else language_of_name(file.stem)
        if code is not None and code in files:
            raise InputError(
                f"{folder}: language '{code}' has two files, {files[code].name} and {file.name}; leave one there"
            )
        if code is not None:
            files[code] = file
    return dict(sorted(files.items()))


def by_language(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The name in the folder of each language that one of the names is for. Raises InputError for a language that
    has two."""
    written: dict[str, str] = {}
    for name in sorted(names):
        code = named_language(name)
        if code is not None and written.setdefault(code, name) != name:
            raise InputError(f"{folder}: {written[code]} and {name} are both the language '{code}'; leave one there")
    return dict(sorted(written.items()))


def what_is_there(folder: Path) -> str:
    """The names of a folder's files and folders, for a message that finds no language among them."""
    names = sorted(entry.name for entry in folder.glob("*") if not entry.name.startswith("."))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"


def language_of_name(stem: str) -> str | None:
    """The language that a file's name without its ending is of; None if it is of none, or of two."""
    pair = _MLQA.search(stem)
    if pair is not None:
        return named_language(pair[1]) if pair[1] == pair[2] else None
    return named_language(stem.rsplit(".", 1)[-1])
