"""The files of a declared corpus: a folder of the user's, or a verified download into the cache."""

import sys
from pathlib import Path

import pooch
import requests
from huggingface_hub import snapshot_download

from sweep.errors import InputError
from sweep.settings import Corpus, HttpOrigin, HubOrigin


def corpus_folder(
    corpus: Corpus, path: str | None, languages: tuple[str, ...], cache: Path, key: str, split: str = ""
) -> Path:
    """The folder to read: `path`, or the languages' files of the corpus' origin, downloaded first where missing.

    `key` is the config section to name in the mend. Raises InputError if there is no such folder, language or origin,
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
        raise InputError(f"{corpus.name} has no language '{unknown[0]}'; it has: {' '.join(corpus.languages)}")
    mend = f"with the files in a local folder, add {key}.path=FOLDER"
    if isinstance(corpus.origin, HttpOrigin):
        return _from_http(corpus, corpus.origin, languages, cache, mend)
    return _from_hub(corpus, corpus.origin, languages, cache, split, mend)


def _announce(corpus: Corpus) -> None:
    print(f"Downloading {corpus.name} ({corpus.licence}; {corpus.citation})", file=sys.stderr)


def _from_http(corpus: Corpus, origin: HttpOrigin, languages: tuple[str, ...], cache: Path, mend: str) -> Path:
    folder = cache / corpus.name
    downloads = pooch.create(
        folder,
        origin.url,
        registry={f"{code}.json": f"sha256:{origin.sha256[code]}" for code in languages},
        retry_if_failed=1,
    )
    pooch.get_logger().setLevel("WARNING")
    if any(not (folder / f"{code}.json").exists() for code in languages):
        _announce(corpus)
    for code in languages:
        try:
            downloads.fetch(f"{code}.json", downloader=pooch.HTTPDownloader(progressbar=True, timeout=30))
        except ValueError as error:
            raise InputError(
                f"{origin.url}{code}.json: the download does not have the expected SHA-256 (truncated or changed on "
                f"the way); run again, or {mend}"
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise InputError(f"{origin.url}{code}.json: cannot be downloaded ({_reason(error)}); {mend}") from error
    return folder


def _from_hub(
    corpus: Corpus, origin: HubOrigin, languages: tuple[str, ...], cache: Path, split: str, mend: str
) -> Path:
    """All repositories' files in one folder; the hub's client verifies them and goes on where it was interrupted."""
    folder = cache / corpus.name
    _announce(corpus)
    for source in origin.repositories:
        patterns = [file.format(language=code, split=split) for code in languages for file in source.files]
        try:
            snapshot_download(
                source.repository,
                repo_type="dataset",
                revision=source.revision,
                allow_patterns=patterns,
                local_dir=folder,
            )
        except Exception as error:  # the client's errors, and those of its HTTP library, have no common base
            raise InputError(
                f"{source.repository}: cannot be downloaded from the hub ({_reason(error)}); {mend}"
            ) from error
        # The client only warns if nothing matches, or if the hub fails while the folder holds another repository.
        missing = [pattern for pattern in patterns if not any(folder.glob(pattern))]
        if missing:
            raise InputError(f"{source.repository}: the hub gave no {missing[0]}; {mend}")
    return folder


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
