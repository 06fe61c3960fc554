"""Ctrl-C once and twice: the first asks to stop in order, the second stops at once. SIGTERM is the same as Ctrl-C."""

import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, a signal raises KeyboardInterrupt, except the first one after `in_order` became true."""

    def __init__(self) -> None:
        self.in_order = False  # whether there is something to save or to finish
        self.asked = False
        self.at_once = False  # whether a signal has asked for more than an end in order

    def __enter__(self) -> Self:
        self._previous = [signal.signal(number, self._receive) for number in SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for number, handler in zip(SIGNALS, self._previous, strict=True):
            signal.signal(number, handler)

    def _receive(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked or not self.in_order:
            self.at_once = True
            raise KeyboardInterrupt
        self.asked = True
