"""The files of rows: a local file, folder or pattern of names, a URL, or a data set of the Hugging Face hub."""

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sweep.data.hub_origin import HubRepositories
from sweep.data.language_files import language_of_name, what_is_there
from sweep.data.remote import fetched, is_url, local_path
from sweep.data.tables import FORMATS, format_of
from sweep.errors import InputError
from sweep.settings import LANGUAGE, Corpus, HubOrigin, HubRepository, RowsData
from sweep.settings.language import named_language
from sweep.settings.rows import AUTO
from sweep.settings.wording import excerpt, listed


class RowsFile(NamedTuple):
    """A file, its name within what was asked for, its format, and the language that its name is of, or ""."""

    path: Path
    name: str
    format: str
    language: str


def rows_files(settings: RowsData, languages: tuple[str, ...], cache: Path) -> list[RowsFile]:
    """The files by their names, downloaded where needed. Raises InputError if there are none, and if a folder has
    files of several formats."""
    if settings.repository is not None:
        return _of_hub(settings, languages, cache)
    path = str(settings.path)
    if is_url(path) and local_path(path) is None:
        kind = "rows" if settings.format == AUTO else "any"  # what `_is_rows` depends on
        folder, files = fetched(path, lambda name: _is_rows(name, settings), kind, cache)
    else:
        folder, files = _local(Path(local_path(path) or path), settings)
    return _with_formats([(file, file.relative_to(folder), "") for file in files], settings)


def _is_rows(name: str, settings: RowsData) -> bool:
    return not name.startswith(".") and (settings.format != AUTO or format_of(name) is not None)


def _local(path: Path, settings: RowsData) -> tuple[Path, list[Path]]:
    """The folder of local files, and the files."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)  # raises for a folder that may not be read, which rglob takes for empty
            within = [file for file in path.rglob("*") if file.is_file()]
            visible = [file for file in within if not _is_hidden(file.relative_to(path))]
            files = [file for file in visible if _is_rows(file.name, settings)]
            if not files:
                raise InputError(
                    f"{path}: has no rows files (there: {what_is_there(path)}); their names end in "
                    f"{listed(FORMATS)}, or .gz behind that of a text file; of another ending, set data.format"
                )
            return path, sorted(files)
        if path.exists():
            return path.parent, [path]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if glob.has_magic(str(path)):
        matching = sorted(file for file in map(Path, glob.glob(str(path), recursive=True)) if file.is_file())
        if not matching:
            raise InputError(f"{path}: no file has a name of this pattern (data.path)")
        return _above(path), matching
    raise InputError(f"{path}: no such file or folder (data.path)")


def _is_hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)


def _above(pattern: Path) -> Path:
    """The folder above the first part of a pattern that has * in it."""
    return next(folder for folder in pattern.parents if not glob.has_magic(str(folder)))


def _of_hub(settings: RowsData, languages: tuple[str, ...], cache: Path) -> list[RowsFile]:
    repository, revision = str(settings.repository), str(settings.revision)
    source = HubRepository(repository=repository, revision=revision, files=settings.files)
    origin = HubOrigin(kind="hub", repositories=(source,))
    corpus = Corpus(
        name=f"{repository.replace('/', '--')}-{revision[:12]}",
        languages=languages,
        licence=None,
        citation=None,
        origin=origin,
    )
    fix = "with the files in a local folder, set data.path=FOLDER, data.repository=null"
    folder = HubRepositories().fetch(corpus, origin, languages, "", cache, fix)
    files = _matching(folder, settings, languages)
    if not files:
        raise InputError(f"{repository}: none of {listed(settings.files)} is a rows file; set data.format")
    return _with_formats(files, settings)


def _matching(folder: Path, settings: RowsData, languages: tuple[str, ...]) -> list[tuple[Path, Path, str]]:
    """The files that fit the patterns, their names, and the language that each is of, or "". Raises InputError for a
    file that fits several languages."""
    fitting: dict[Path, set[str]] = {}
    longer: set[Path] = set()  # what fits a language is the begin of a word, as "fi" is of "fil"
    for pattern in settings.files:
        for code in languages if LANGUAGE in pattern else ("",):
            for file in folder.glob(pattern.replace(LANGUAGE, code)):
                if file.is_file() and _is_rows(file.name, settings):
                    fitting.setdefault(file, set()).update({code} - {""})
            longer.update(folder.glob(pattern.replace(f"{LANGUAGE}*", f"{code}[a-zA-Z]*")) if code else ())
    files = []
    for file, codes in sorted(fitting.items()):
        name = file.relative_to(folder)
        own = _language(name)
        if own in codes or (own and file in longer):
            codes = {own}
        if len(codes) > 1:
            raise InputError(
                f"{settings.repository}: {name} fits the languages {listed(sorted(codes))}; write patterns in "
                "data.files that fit each file for one of them"
            )
        files.append((file, name, "".join(codes)))
    return files


def _with_formats(files: Iterable[tuple[Path, Path, str]], settings: RowsData) -> list[RowsFile]:
    """The files with their formats and languages. Raises InputError for files of several formats: one may hold what
    another does."""
    rows = []
    for path, name, language in files:
        format = settings.format if settings.format != AUTO else format_of(name.name)
        if format is None and name.suffix == ".json":
            format = "jsonl"
        if format is None:
            raise InputError(
                f"{path}: its ending is none of {listed(FORMATS)}, so its format is not known; set data.format"
            )
        rows.append(RowsFile(path, str(name), format, language or _language(name)))
    formats = {row.format: row for row in rows}
    if len(formats) > 1:
        names = listed(row.name for row in formats.values())
        ending = Path(next(iter(formats.values())).name.removesuffix(".gz")).suffix
        fix = f"data.path='FOLDER/*{ending}'" if settings.path is not None else f"data.files=['**/*{ending}']"
        raise InputError(
            f"{excerpt(str(settings.path or settings.repository))}: has files of {len(formats)} formats ({names}), "
            f"which may hold the same rows; say which with a pattern, such as {fix}"
        )
    return rows


def _language(name: Path) -> str:
    """The language that a file's name ends in, or the name of the nearest folder that is a language."""
    stem = name.name.removesuffix(".gz")
    of_file = language_of_name(Path(stem).stem)
    return of_file or next(filter(None, map(named_language, reversed(name.parent.parts))), "")
