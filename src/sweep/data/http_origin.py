"""Corpora whose files lie behind a URL, each verified by its SHA-256."""

from collections.abc import Mapping
from pathlib import Path

import pooch
import requests

from sweep.data.origin import announce, reason
from sweep.errors import InputError
from sweep.settings import Corpus, FilesOrigin, HttpOrigin


class HttpFiles:
    """Downloads of `origin.kind=http`."""

    def fetch(
        self, corpus: Corpus, origin: HttpOrigin, languages: tuple[str, ...], split: str, cache: Path, fix: str
    ) -> Path:
        """`<language>.json` of each language; a file that differs from the pinned one is refused and not kept."""
        sums = {f"{code}.json": origin.sha256[code] for code in languages}
        return _downloaded(corpus, origin.url, sums, cache, fix)


class DeclaredFiles:
    """Downloads of `origin.kind=files`."""

    def fetch(
        self, corpus: Corpus, origin: FilesOrigin, languages: tuple[str, ...], split: str, cache: Path, fix: str
    ) -> Path:
        """The files of each language and those that every language needs, at their paths; a file that differs from
        the pinned one is refused and not kept."""
        files = [file for file in origin.files if not split or file.split in (None, split)]
        lacking = [code for code in languages if all(file.language != code for file in files)]
        if lacking:
            raise InputError(f"{corpus.name} has no {split} split in '{lacking[0]}'; leave the language out")
        sums = {file.path: file.sha256 for file in files if file.language in (None, *languages)}
        return _downloaded(corpus, origin.url, sums, cache, fix)


def _downloaded(corpus: Corpus, url: str, sums: Mapping[str, str], cache: Path, fix: str) -> Path:
    """The folder of these files (path -> SHA-256), each fetched where it is missing. Raises InputError."""
    folder = cache / corpus.name
    downloads = pooch.create(
        folder, url, registry={path: f"sha256:{digest}" for path, digest in sums.items()}, retry_if_failed=1
    )
    pooch.get_logger().setLevel("WARNING")
    if any(not (folder / path).exists() for path in sums):
        announce(corpus)
    for path in sums:
        try:
            downloads.fetch(path, downloader=pooch.HTTPDownloader(progressbar=True, timeout=30))
        except ValueError as error:
            raise InputError(
                f"{url}{path}: the download does not have the expected SHA-256 (truncated or changed on the way); "
                f"run again, or {fix}"
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise InputError(f"{url}{path}: cannot be downloaded ({reason(error)}); {fix}") from error
    return folder
