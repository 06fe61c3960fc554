"""Corpora with one file a language behind a URL, verified by SHA-256."""

from pathlib import Path

import pooch
import requests

from sweep.data.origin import announce, reason
from sweep.errors import InputError
from sweep.settings import Corpus, HttpOrigin


class HttpFiles:
    """Downloads of `origin.kind=http`."""

    def fetch(
        self, corpus: Corpus, origin: HttpOrigin, languages: tuple[str, ...], split: str, cache: Path, fix: str
    ) -> Path:
        """`<language>.json` of each language; a file that differs from the pinned one is refused and not kept."""
        folder = cache / corpus.name
        downloads = pooch.create(
            folder,
            origin.url,
            registry={f"{code}.json": f"sha256:{origin.sha256[code]}" for code in languages},
            retry_if_failed=1,
        )
        pooch.get_logger().setLevel("WARNING")
        if any(not (folder / f"{code}.json").exists() for code in languages):
            announce(corpus)
        for code in languages:
            try:
                downloads.fetch(f"{code}.json", downloader=pooch.HTTPDownloader(progressbar=True, timeout=30))
            except ValueError as error:
                raise InputError(
                    f"{origin.url}{code}.json: the download does not have the expected SHA-256 (truncated or changed "
                    f"on the way); run again, or {fix}"
                ) from error
            except (requests.exceptions.RequestException, OSError) as error:
                raise InputError(f"{origin.url}{code}.json: cannot be downloaded ({reason(error)}); {fix}") from error
        return folder
