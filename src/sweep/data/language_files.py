"""Which file of a folder has which language."""

import re
from pathlib import Path

from sweep.errors import InputError

_CODE = re.compile(r"[a-z]{2,3}")
_MLQA = re.compile(r"context-([a-z]{2,3})-question-([a-z]{2,3})$")
_SHOWN = 5  # names of a folder in a message


def language_files(folder: Path) -> dict[str, Path]:
    """The JSON file of each language, by code: `en.json`, `xquad.en.json`, `test-context-en-question-en.json`.

    Hidden files are not looked at, and neither are those whose name ends in no language (`README.json`) or names two
    (MLQA's questions on contexts in another language). Raises InputError for a language with two files.
    """
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.json")):
        code = None if file.name.startswith(".") or file.is_dir() else _language(file.stem)
        if code is not None and code in files:
            raise InputError(
                f"{folder}: language '{code}' has two files, {files[code].name} and {file.name}; leave one there"
            )
        if code is not None:
            files[code] = file
    return dict(sorted(files.items()))


def what_is_there(folder: Path) -> str:
    """The names of a folder's files and folders, for a message that finds no language among them."""
    names = sorted(entry.name for entry in folder.glob("*") if not entry.name.startswith("."))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"


def _language(stem: str) -> str | None:
    pair = _MLQA.search(stem)
    if pair is not None:
        return pair[1] if pair[1] == pair[2] else None
    last = stem.rsplit(".", 1)[-1]
    return last if _CODE.fullmatch(last) else None
