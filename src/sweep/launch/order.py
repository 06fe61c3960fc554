"""What a worker is to work on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkOrder:
    """A worker's id, its study's folder, and what composes its settings."""

    worker: str
    study_folder: str
    overrides: tuple[str, ...]
    config_dir: str | None
