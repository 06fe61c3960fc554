"""Which file of a folder has which language."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from sweep.data.english import language_called
from sweep.errors import InputError
from sweep.settings.language import named_language

_SHOWN = 5  # names of a folder in a message
_CODE = "[a-z]{2,3}"
_SPLITS = ("train", "dev", "test", "validation")
# Names in use that say more than a language, without .json. What a file is in, its context's language and its
# question's, or the one language of both.
_PUBLISHED = tuple(
    map(
        re.compile,
        (
            # MLQA, arXiv 1910.07475: everything translated into English, whatever the name says.
            rf"translate-test-context-{_CODE}-question-{_CODE}",
            # The questions on contexts in another language, or in the same.
            rf".*context-(?P<context>{_CODE})-question-(?P<question>{_CODE})",
            # Its machine translations of SQuAD.
            rf"(?P<language>{_CODE})_squad-translate-train-(?:train|dev)-v1\.1",
            # XTREME, arXiv 2003.11080: from one language to the other. Copies of it add .v1.1, -hf.
            rf"\w+\.translate\.(?:train|dev|test)\.{_CODE}-(?P<language>{_CODE})(?:\.v1\.1|-hf)?",
            # TyDi QA's gold passages, in XTREME and as published, by the English name of the language.
            rf"tydiqa\.(?:goldp\.)?(?P<language>{_CODE})\.(?:train|dev)",
            r"tydiqa-goldp-(?:v1\.1-)?(?:train|dev)-(?P<name>[a-z]+)",
        ),
    )
)


def language_files(folder: Path, named: Mapping[str, str] | str | None = None) -> dict[str, Path]:
    """The JSON file of each language, by its name (see `sweep.settings.language`): `en.json`, `xquad.en.json`,
    `zho_Hans.json`, and as MLQA, XTREME and TyDi QA name theirs: `test-context-en-question-en.json`,
    `de_squad-translate-train-train-v1.1.json`, `squad.translate.train.en-de.json`, `tydiqa.goldp.sw.train.json`.

    `named`: the files of some languages, whatever their names, or a pattern that all files must match, such as
    `*-train-v1.1.json`. Hidden files are not looked at, and neither are those whose name ends in no language
    (`README.json`, `train-v1.1.json`) or names two (MLQA's questions on contexts in another language). Raises
    InputError for a language with two files, and for a named file that is not there.
    """
    given = {} if named is None or isinstance(named, str) else {code: folder / name for code, name in named.items()}
    for language, file in given.items():
        if not file.is_file():
            there = what_is_there(folder)
            raise InputError(f"{file}: no such file, which is named for language '{language}' (there: {there})")
    pattern = named if isinstance(named, str) else "*"
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.json")):
        if not fnmatchcase(file.name, pattern):
            continue
        if file.name.startswith(".") or file.is_dir() or file in given.values():
            continue
        code = language_of_name(file.name.removesuffix(".json"))
        if code is None or code in given:
            continue
        if code in files:
            raise InputError(
                f"{folder}: language '{code}' has two files, {files[code].name} and {file.name}; leave one there, or "
                f"choose with files={{{code}: {file.name}}} or a pattern such as files='*-train-v1.1.json'"
            )
        files[code] = file
    return dict(sorted((files | given).items()))


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
    for pattern in _PUBLISHED:
        if match := pattern.fullmatch(stem):
            parts = match.groupdict()
            if "name" in parts:
                return _called(parts["name"])
            codes = set(parts.values())
            return named_language(codes.pop()) if len(codes) == 1 else None
    last = stem.rsplit(".", 1)[-1]
    return None if last in _SPLITS else named_language(last)


def _called(name: str) -> str | None:
    try:
        return language_called(name)
    except ValueError:
        return None
