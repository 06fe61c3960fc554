"""What a worker is told when it starts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkOrder:
    """A worker's id, its study's folder, and what composes its settings and finds its tracking."""

    worker: str
    study_folder: str
    overrides: tuple[str, ...]
    config_dir: str | None
    tracked: dict[str, str]
