"""Files of a model, in its folder or on the hub."""

import json
from pathlib import Path
from typing import Any

from sweep.errors import InputError


def model_file(path: str, name: str, revision: str | None) -> Path | None:
    """A file of the model, or None if the model has none of this name, or cannot be found itself: whoever loads it
    says that. Raises InputError if the hub has to be asked and cannot be reached."""
    folder = Path(path)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    if not is_hub_name(path):
        return None
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(path, name, revision=revision))
    except LocalEntryNotFoundError as error:
        # The cache remembers that a file is not there. If it lacks the whole model, nothing is to be read either.
        if try_to_load_from_cache(path, name, revision=revision) is not None:
            return None
        if not isinstance(try_to_load_from_cache(path, "config.json", revision=revision), str):
            return None
        raise InputError(
            f"model.path={path}: whether it has a {name} is not known while the hub cannot be reached; connect once, "
            "or give the model's folder"
        ) from error
    except (EntryNotFoundError, HfHubHTTPError, ValueError, OSError):
        return None


def is_hub_name(path: str) -> bool:
    """Whether it looks like a name on the hub, not like a folder."""
    return not (Path(path).is_absolute() or path.startswith((".", "~")) or path.count("/") > 1)


def model_json(path: str, name: str, revision: str | None) -> Any:
    """The content of a JSON file of the model, None if it has none. Raises InputError for what is no JSON."""
    file = model_file(path, name, revision)
    if file is None:
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"model.path={path}: {name} is no JSON ({error})") from error
