"""The cache folder, as a command looks at it before anything starts."""

from pathlib import Path

from sweep.errors import InputError, shortened
from sweep.records.files import make_folder
from sweep.settings import PathSettings
from sweep.settings.cache import cache_folder


def usable_cache(paths: PathSettings) -> Path:
    """The cache folder, made if it is not there. Raises InputError if no file can be written there."""
    folder = cache_folder(paths)
    problem = make_folder(folder)
    if problem is not None:
        raise InputError(
            f"the cache folder {shortened(str(folder), 200)}: {problem}; choose another one: paths.cache=DIR, or the "
            "environment variable SWEEP_CACHE"
        )
    return folder
