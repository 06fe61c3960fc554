"""Where a corpus can be downloaded from: what every kind of origin can do, and what they share."""

import sys
from pathlib import Path
from typing import Any, Protocol

import requests

from sweep.settings import Corpus


class Origin(Protocol):
    """Downloads from one `kind` of origin."""

    def fetch(
        self, corpus: Corpus, origin: Any, languages: tuple[str, ...], split: str, cache: Path, fix: str
    ) -> Path:
        """The folder of the languages' files, verified, in the cache; what is there already is not fetched again.

        `fix` is what the user can do without the download. Raises InputError.
        """
        ...


def announce(corpus: Corpus) -> None:
    """Say what is downloaded, and under which licence, if it is declared."""
    declared = "; ".join(filter(None, (corpus.licence, corpus.citation)))
    print(f"Downloading {corpus.name}{f' ({declared})' if declared else ''}", file=sys.stderr)


def reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server"
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
