"""The files of a declared corpus: a folder of the user's, or a verified download into the cache."""

from pathlib import Path

from sweep.data.http_origin import DeclaredFiles, HttpFiles
from sweep.data.hub_origin import HubRepositories
from sweep.data.origin import Origin
from sweep.errors import InputError
from sweep.records.checksums import digest_of
from sweep.settings import Corpus, FilesOrigin, HttpOrigin
from sweep.settings.wording import listed

# Which origin a `kind` names. A new one: its module, its settings, and a line here.
ORIGINS: dict[str, Origin] = {
    "http": HttpFiles(),
    "files": DeclaredFiles(),
    "hub": HubRepositories(),
}


def corpus_folder(
    corpus: Corpus, path: str | None, languages: tuple[str, ...], cache: Path, key: str, split: str = ""
) -> Path:
    """The folder to read: `path`, or the languages' files of the corpus' origin, downloaded first where missing.

    `key` is the config section to name in the fix. Raises InputError if there is no such folder, language or origin,
    or if a file cannot be had or differs from the pinned one.
    """
    if path is not None:
        if not Path(path).is_dir():
            raise InputError(f"{corpus.name}: no such folder: {path}")
        return Path(path)
    if corpus.origin is None:
        raise InputError(f"{corpus.name} has no public origin: give the folder of its files with {key}.path=FOLDER")
    unknown = [code for code in languages if code not in corpus.languages]
    if unknown:
        raise InputError(f"{corpus.name} has no language '{unknown[0]}'; it has: {listed(corpus.languages)}")
    fix = f"with the files in a local folder, add {key}.path=FOLDER"
    return ORIGINS[corpus.origin.kind].fetch(corpus, corpus.origin, languages, split, cache, fix)


def is_here(corpus: Corpus, languages: tuple[str, ...], cache: Path) -> bool:
    """Whether `corpus_folder` would find all of these languages' files in the cache, whole, and download nothing. It
    is not known of a corpus on the hub, whose client asks the hub in any case."""
    if isinstance(corpus.origin, HttpOrigin):
        sums = {f"{code}.json": corpus.origin.sha256.get(code) for code in languages}
    elif isinstance(corpus.origin, FilesOrigin):
        sums = {file.path: file.sha256 for file in corpus.origin.files if file.language in (None, *languages)}
    else:
        return False
    folder = cache / corpus.name
    return all((folder / path).is_file() and digest_of(folder / path) == digest for path, digest in sums.items())
