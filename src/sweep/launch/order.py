"""What a worker is told when it starts."""

import json
from dataclasses import asdict, dataclass

STOP = "stop"  # the line after the order that asks a worker to end


@dataclass(frozen=True)
class WorkOrder:
    """A worker's id, its study's folder, and what composes its settings."""

    worker: str
    study_folder: str
    overrides: tuple[str, ...]
    config_dir: str | None

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "WorkOrder":
        """The order that `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "overrides": tuple(fields["overrides"])})
