"""Where downloads and trained tokenizers are kept."""

from pathlib import Path

import pooch

from sweep.settings import PathSettings


def cache_folder(paths: PathSettings) -> Path:
    """`paths.cache`, or the user's cache folder."""
    return Path(paths.cache) if paths.cache else Path(pooch.os_cache("multilingual-ratio-sweep"))
