"""Which file of a corpus' folder has which language, where a pattern such as `{language}_queries.tsv` says so."""

import re
from collections.abc import Mapping
from glob import escape
from pathlib import Path

from sweep.data.language_files import what_is_there
from sweep.errors import InputError
from sweep.settings import LANGUAGE, Corpus
from sweep.settings.language import named_language
from sweep.settings.wording import listed


def matching_files(
    folder: Path, pattern: str, languages: tuple[str, ...], corpus: Corpus, setting: str
) -> dict[str, Path]:
    """The file of each language, plain or gzipped whatever the pattern says.

    A language is called in a file's name what the corpus says, or by any of its codes. `setting` is what the pattern
    comes from, for a message. Raises InputError for a language with no file or with two, and if several languages are
    to be read from a pattern that names none.
    """
    if LANGUAGE not in pattern:
        _check_one_language(languages, corpus, setting)
        return {code: existing_file(folder, pattern) for code in languages}
    files = files_by_language(folder, pattern, corpus)
    for code in languages:
        if code not in files:
            expected = folder / pattern.replace(LANGUAGE, corpus.names.get(code, code))
            there = f"there: {listed(files)}" if files else f"in {folder}: {what_is_there(folder)}"
            raise InputError(f"{expected}: no such file, for language '{code}' ({setting}; {there})")
    return {code: files[code] for code in languages}


def files_by_language(folder: Path, pattern: str, corpus: Corpus) -> dict[str, Path]:
    """The file of every language that has one, by a pattern with {language}. Raises InputError for two of one."""
    files: dict[str, Path] = {}
    for word, file in _words(folder, pattern).items():
        code = _language(word, corpus.names)
        if code is not None and code in files:
            raise InputError(f"{file}: {files[code].name} is the same language, '{code}'; leave one of them there")
        if code is not None:
            files[code] = file
    return files


def existing_file(folder: Path, name: str) -> Path:
    """The file of this name, or its gzipped or unpacked form. Raises InputError if there is neither."""
    for file in (folder / name, _other_form(folder / name)):
        if file.is_file():
            return file
    raise InputError(f"{folder / name}: no such file; in {folder}: {what_is_there(folder)}")


def _other_form(file: Path) -> Path:
    return file.with_suffix("") if file.suffix == ".gz" else file.with_name(f"{file.name}.gz")


def _check_one_language(languages: tuple[str, ...], corpus: Corpus, setting: str) -> None:
    unknown = [code for code in languages if corpus.languages and code not in corpus.languages]
    if unknown:
        raise InputError(f"{corpus.name} has no language '{unknown[0]}'; it has: {listed(corpus.languages)}")
    if len(languages) > 1:
        raise InputError(
            f"{setting} is one file for {len(languages)} languages; put {LANGUAGE} where its name has the "
            "language, or train on one language"
        )


def _words(folder: Path, pattern: str) -> dict[str, Path]:
    """What stands for the language in the names of the files that match, in order."""
    plain = pattern.removesuffix(".gz")
    before, after = plain.split(LANGUAGE)
    word = re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}")
    files: dict[str, Path] = {}
    for suffix in ("", ".gz"):
        for file in sorted(folder.glob(f"{escape(before)}*{escape(after)}{suffix}")):
            match = word.fullmatch(file.relative_to(folder).as_posix().removesuffix(suffix))
            if match and file.is_file():
                files.setdefault(match[1], file)
    return files


def _language(word: str, names: Mapping[str, str]) -> str | None:
    of_name = {name: code for code, name in names.items()}
    return of_name.get(word) or named_language(word)
