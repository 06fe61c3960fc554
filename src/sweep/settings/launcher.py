"""How many workers there are, what each of them gets of the machine, and how they are started."""

from typing import Annotated, Literal

from pydantic import Field

from sweep.settings.base import Positive, Section


class LocalWorkers(Section):
    """`workers` workers on this machine, each of `processes` accelerate ranks that train one trial together.

    `threads`: CPU threads of a rank; null shares the cores among all ranks. Every rank has a GPU of its own where
    there are GPUs, unless workers may share them.
    """

    workers: Positive
    processes: Positive
    threads: Positive | None
    share_devices: bool


class LocalLauncher(LocalWorkers):
    """Workers are forked from one server process that has imported everything: each starts in a tenth of a second."""

    kind: Literal["local"]


class SpawnLauncher(LocalWorkers):
    """Every worker is a fresh interpreter: slower, and for platforms or devices that do not bear a fork."""

    kind: Literal["spawn"]


LauncherSettings = Annotated[LocalLauncher | SpawnLauncher, Field(discriminator="kind")]
