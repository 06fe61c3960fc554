"""What a launcher is: it starts workers, and each of them has a handle. Launchers know nothing of trials.

A launcher is made for one run of one study (`sweep.launch.registry.make_launcher`). tests/contract/test_launchers.py
is what each of them has to do.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from sweep.launch.order import WorkOrder
from sweep.settings import LauncherSettings

LOST = -9  # status of a worker whose real one nobody knows any more: it counts as killed


class WorkerHandle(ABC):
    """One started worker: a group of one or more ranks that work on one trial at a time. `log` has its output."""

    log: Path

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of its ranks, if they are on this machine and have been started."""
        return ()

    @property
    def waits_for(self) -> str | None:
        """What a worker needs that there is no room for yet, in words; None once it starts."""
        return None

    @property
    def loss(self) -> str | None:
        """Why a worker's status is LOST, if that is known."""
        return None

    @abstractmethod
    def ask_to_stop(self) -> None:
        """Ask the worker to save or finish its trial, to claim no other, and to end. Returns at once."""

    @abstractmethod
    def poll(self) -> int | None:
        """None while it starts or works, else its exit status: 0, or that of a rank that failed, negative for the
        signal that killed one.

        Once a rank has failed, the others get a few seconds to end by themselves and are ended then. Never waits for
        long.
        """

    @abstractmethod
    def end(self, patience_s: float = 10.0) -> None:
        """End all ranks now, by force after `patience_s` seconds. Its trial goes on from its checkpoint later."""


class Launcher(ABC):
    """Starts workers and nothing else. Made by `sweep.launch.registry.make_launcher`, which says what it gets.

    `host`: where its workers are, as the end of their ids (`sweep.launch.liveness`); None: on this machine.
    """

    host: ClassVar[str | None] = None

    @abstractmethod
    def __init__(self, settings: LauncherSettings, folder: Path, entry: str) -> None: ...

    @property
    def preview(self) -> str | None:
        """What would be started, as a text, if the settings ask for that alone."""
        return None

    @classmethod
    @abstractmethod
    def warm_up(cls) -> None:
        """Begin with what takes long and depends on no study, if there is such a thing. Returns at once."""

    def take_over(self) -> None:  # noqa: B027
        """End what an earlier command, now gone, has left at work, and remove its files: of most launchers, nothing.

        The study's only driver calls it before it starts any worker, also if there is no work for one. It may wait
        for a while.
        """

    @abstractmethod
    def start(self, order: WorkOrder, slot: int) -> WorkerHandle:
        """Start a worker. Returns at once, and raises nothing: a worker that cannot start shows in `poll`.

        Args:
            order: what the worker is to do.
            slot: 0 to the number of workers - 1, of which no other worker is at work; it decides about devices and
                log.
        """
