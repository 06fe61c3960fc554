"""Which files of a folder are line by line translations of each other.

- Moses and OPUS: `<name>.<code>` for each language, `<name>.en-sw.en` and `<name>.en-sw.sw` for a pair; several such
  sets in a folder; `<name>.en-sw.ids`, OPUS' file of document names, beside them.
- A folder with one `<code>.txt` or `<name>.<code>.txt` a language, all parallel, such as NTREX as published
  (`newstest2019-src.eng.txt`, `newstest2019-ref.<code>.txt`; a second reference is passed over).

Each may be gzipped. Hidden files, and names that end in no language, are passed over; so is a code that usually says
something else (`all.txt`, `train.log`), unless a script is behind it (`all_Mlym.txt`) or the name has it twice, as
OPUS' have (`JW300.en-bin.bin`).
"""

import re
from pathlib import Path
from typing import NamedTuple

from langcodes import tag_is_valid

from sweep.data.language_files import what_is_there
from sweep.errors import InputError
from sweep.settings.language import named_language

_PAIR = re.compile(r"(?:.*[._])?([A-Za-z]{2,3}(?:_[A-Za-z]+)?)-([A-Za-z]{2,3}(?:_[A-Za-z]+)?)")
_NTREX = re.compile(r"newstest2019-(?:src|ref)\.(.+)")
_NTREX_NAME = re.compile(r"newstest2019-")
# Codes of small languages, each of them, that names of files have as formats and parts of a corpus.
_FORMATS = "bin cfg css csv dic doc err ids log lst npy odt sgm swp tar tex tgz tmp tsv txt xls xml yml"
_PARTS = "all dev org raw set src tgt trg"
_NO_LANGUAGE = frozenset(f"{_FORMATS} {_PARTS}".split())


class ParallelFiles(NamedTuple):
    """Files whose lines are translations of each other, by language, and the file that names each line's document, if
    there is one. `name` tells the sets of a folder apart."""

    name: str
    files: dict[str, Path]
    documents: Path | None


def parallel_files(folder: Path, documents: str | None) -> list[ParallelFiles]:
    """The sets of a folder, in order of their names, or those of its only folder that has any; none if there are
    none. `documents` is the name of the file of documents, in the files' folder or the one above.

    Raises InputError for a language with two files in a set, for a pair that lacks one of its files, and if a folder
    has both pairs and text files.
    """
    sets = parallel_sets(folder)
    if sets:
        return [_with_documents(one, len(sets) == 1, documents, (folder, folder.parent)) for one in sets]
    below = [entry for entry in visible(folder) if entry.is_dir() and parallel_sets(entry)]
    if len(below) > 1:
        raise InputError(
            f"{folder}: its folders {below[0].name} and {below[1].name} both have parallel files; name one of them"
        )
    return parallel_files(below[0], documents) if below else []


def no_files(folder: Path) -> str:
    """What is wrong with a folder that has no parallel files, and what to do."""
    return (
        f"{folder}: has no parallel files (there: {what_is_there(folder)}); name them after their languages: "
        "en.txt and sw.txt, or NAME.en-sw.en and NAME.en-sw.sw, or put a NAME.tmx there"
    )


def parallel_sets(folder: Path) -> list[ParallelFiles]:
    """The sets of the folder itself, without their files of documents. Raises InputError as `parallel_files`."""
    texts, moses = _text_files(folder), _moses_files(folder)
    if texts and moses:
        one, other = next(iter(texts.values())), next(iter(moses[0].files.values()))
        raise InputError(
            f"{folder}: has one text file a language ({one.name}) and pairs ({other.name}); leave one kind there"
        )
    return [ParallelFiles("", texts, None)] if texts else moses


def visible(folder: Path) -> list[Path]:
    """What is in a folder and not hidden, in order of the names. Raises InputError if it cannot be looked into."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error


def _plain(file: Path) -> str:
    return file.name.removesuffix(".gz")


def _text_files(folder: Path) -> dict[str, Path]:
    """The `.txt` file of each language."""
    candidates = [file for file in visible(folder) if _plain(file).endswith(".txt") and not file.is_dir()]
    stems = {file: _plain(file).removesuffix(".txt") for file in candidates}
    published = any(_NTREX.fullmatch(stem) for stem in stems.values())
    files: dict[str, Path] = {}
    for file, stem in stems.items():
        if published and _NTREX_NAME.match(stem) and not _NTREX.fullmatch(stem):
            continue
        _add(files, _ending(stem.rsplit(".", 1)[-1]), file)
    return dict(sorted(files.items())) if len(files) > 1 else {}


def _moses_files(folder: Path) -> list[ParallelFiles]:
    """The sets of files whose names differ in their last part, a language, alone."""
    by_stem: dict[str, list[tuple[str, Path]]] = {}
    for file in visible(folder):
        stem, dot, last = _plain(file).rpartition(".")
        if dot and not file.is_dir():
            by_stem.setdefault(stem, []).append((last, file))
    sets = []
    for stem, named in by_stem.items():
        pair = _PAIR.fullmatch(stem)
        codes = [named_language(part) for part in pair.groups()] if pair else [None]
        declared = codes if None not in codes and any(named_language(last) in codes for last, _ in named) else None
        files: dict[str, Path] = {}
        for last, file in named:
            code = _ending(last) if declared is None else named_language(last)
            if declared is None or code in declared:
                _add(files, code, file)
        if declared and len(files) == 1:
            (there,) = files
            (missing,) = {*declared} - {there} or {there}
            raise InputError(f"{files[there]}: is half of a pair; there is no {stem}.{missing} beside it")
        if len(files) > 1:
            sets.append(ParallelFiles(stem, dict(sorted(files.items())), None))
    return sets


def _ending(text: str) -> str | None:
    """The language that the end of a name is for, if nothing else says that it is one."""
    unknown = len(text) <= 3 and not tag_is_valid(text)
    return None if unknown or text.lower() in _NO_LANGUAGE else named_language(text)


def _add(files: dict[str, Path], code: str | None, file: Path) -> None:
    if code is not None and code in files:
        raise InputError(
            f"{file.parent}: language '{code}' has two files, {files[code].name} and {file.name}; leave one there"
        )
    if code is not None:
        files[code] = file


def _with_documents(one: ParallelFiles, alone: bool, name: str | None, folders: tuple[Path, ...]) -> ParallelFiles:
    """A set with its file of documents: OPUS' own, or for a set that is alone the one of the given name."""
    if name is None:
        return one
    beside = [folders[0] / f"{one.name}.ids", folders[0] / f"{one.name}.ids.gz"] if one.name else []
    named = [folder / name for folder in folders] if alone else []
    return one._replace(documents=next((file for file in (*beside, *named) if file.is_file()), None))
