"""How many workers there are, what each of them gets of the machine, and how they are started."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from sweep.settings.base import Positive, Section
from sweep.settings.wording import written


def _workers(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"must be auto, or a whole number of at least 0, not {written(value)}")


Workers = Annotated[int | Literal["auto"], PlainValidator(_workers)]  # a union would tell of both its halves


class LocalWorkers(Section):
    """`workers` workers on this machine, each of `processes` accelerate ranks that train one trial together.

    `workers: auto` is as many as the machine has room for, and never more than there are trials
    (`sweep.launch.capacity`); 0 leaves a study on PostgreSQL to other commands, which join it. `threads`: CPU threads
    of a rank; null is one with `workers: auto` on a CPU, else it shares the cores among all ranks. Every rank has a
    GPU of its own where there are GPUs, unless workers may share them. `accelerate_config`: a file of `accelerate
    config` (`sweep.settings.accelerate_config`).
    """

    is_local: ClassVar[bool] = True  # whether workers are processes of this machine
    scratch: ClassVar[None] = None  # they share the sweeps folder

    workers: Workers
    processes: Positive
    threads: Positive | None
    share_devices: bool
    accelerate_config: str | None

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


class JoinLauncher(LocalWorkers):
    """Workers on this machine for a study that another command runs: they help, and own nothing of it."""

    kind: Literal["join"]


class ClusterWorkers(Section):
    """`workers` workers on a cluster, each of `processes` ranks with `threads` CPUs and `gpus_per_process` GPUs.

    `scratch`: a folder on the cluster's machines where workers keep their files, if these machines do not share the
    sweeps folder with this one; it needs `study.storage` and `study.artifacts`. `accelerate_config`: a file of
    `accelerate config`, which every node must see.
    """

    is_local: ClassVar[bool] = False

    workers: Positive
    processes: Positive
    threads: Positive
    gpus_per_process: Annotated[int, Field(ge=0)]
    accelerate_config: str | None
    scratch: str | None

    @property
    def slots(self) -> int:
        """How many workers there are."""
        return self.workers


class RayLauncher(ClusterWorkers):
    """An actor a rank, in a placement group a worker.

    `address` is that of a cluster (`auto`: the one that this machine belongs to); null starts one on this
    machine. `placement`: whether a worker's ranks have to be on one node (STRICT_PACK), should be (PACK), should not
    (SPREAD) or must not (STRICT_SPREAD). `may_grow`: whether nodes may be added, so that
    a worker that none has room for is no mistake.
    """

    kind: Literal["ray"]
    address: str | None
    placement: Literal["STRICT_PACK", "PACK", "SPREAD", "STRICT_SPREAD"]
    may_grow: bool


class SlurmLauncher(ClusterWorkers):
    """A job a worker, with a task a rank on `nodes` nodes; several workers are one array.

    `minutes`: the jobs' time limit; a job that reaches it, or is preempted, saves its trial and is queued again.
    `options`: further options of sbatch, such as `{account: lab}`. `cluster: local` runs the jobs as processes of
    this machine, to try it out. `dry_run`: print the script that would be submitted, and submit nothing.
    """

    kind: Literal["slurm"]
    cluster: Literal["slurm", "local"]
    partition: str | None
    nodes: Positive
    minutes: Positive
    options: dict[str, str | int | bool]
    dry_run: bool


LauncherSettings = Annotated[
    LocalLauncher | SpawnLauncher | JoinLauncher | RayLauncher | SlurmLauncher, Field(discriminator="kind")
]
