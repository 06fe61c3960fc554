"""How many workers there are, what each of them gets of the machine, and how they are started."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from sweep.settings.base import Positive, Section
from sweep.settings.wording import written


def _workers(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"must be auto, or a whole number of at least 1, not {written(value)}")


Workers = Annotated[int | Literal["auto"], PlainValidator(_workers)]  # a union would tell of both its halves


class LocalWorkers(Section):
    """`workers` workers on this machine, each of `processes` accelerate ranks that train one trial together.

    `workers: auto` is as many as the machine has room for, and never more than there are trials
    (`sweep.launch.capacity`). `threads`: CPU threads of a rank; null is one with `workers: auto` on a CPU, else it
    shares the cores among all ranks. Every rank has a GPU of its own where there are GPUs, unless workers may share
    them.
    """

    workers: Workers
    processes: Positive
    threads: Positive | None
    share_devices: bool

    @property
    def slots(self) -> int:
        """How many workers there are. Those of `auto` have to be counted first, by `sweep.launch.capacity`."""
        assert self.workers != "auto"
        return self.workers


class LocalLauncher(LocalWorkers):
    """Workers are forked from one server process that has imported everything: each starts in a tenth of a second."""

    kind: Literal["local"]


class SpawnLauncher(LocalWorkers):
    """Every worker is a fresh interpreter: slower, and for platforms or devices that do not bear a fork."""

    kind: Literal["spawn"]


LauncherSettings = Annotated[LocalLauncher | SpawnLauncher, Field(discriminator="kind")]
