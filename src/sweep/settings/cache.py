"""Where downloads and trained tokenizers are kept."""

from pathlib import Path

from sweep.settings import PathSettings


def cache_folder(paths: PathSettings) -> Path:
    """`paths.cache`, or the user's cache folder."""
    if paths.cache:
        return Path(paths.cache)
    import pooch  # not needed where the folder is named

    return Path(pooch.os_cache("multilingual-ratio-sweep"))
