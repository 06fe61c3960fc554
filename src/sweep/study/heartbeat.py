"""Signs of life of a worker that trains: they go on while the database is away, and end when the trial is lost."""

import logging
import threading
from types import TracebackType
from typing import Protocol, Self

from sweep.study.faults import FAULTS
from sweep.study.trials import Claim

RETRY_S = 1.0

log = logging.getLogger("sweep")


class Beating(Protocol):
    """What a heartbeat needs of the study's store."""

    def beat(self, claim: Claim) -> bool:
        """Say that the worker of a claim lives; False if the trial is no longer its own."""


class Heartbeat:
    """Beats for a claim from a thread of its own, every `every_s` seconds, while the context is open.

    `lost` is set when another attempt has taken the trial over.
    """

    def __init__(self, store: Beating, claim: Claim, every_s: float) -> None:
        self._store = store
        self._claim = claim
        self._every_s = every_s
        self._ended = threading.Event()
        self.lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        pause = self._every_s
        while not self._ended.wait(pause):
            try:
                if not self._store.beat(self._claim):
                    self.lost.set()
                    return
                pause = self._every_s
            except FAULTS as error:
                # The trial itself needs no database until it ends: whoever ends it waits for it, or informs the user.
                log.info("no sign of life could be given (%s); trying again", type(error).__name__)
                pause = min(RETRY_S, self._every_s)
