"""Waiting for what other processes do, on a machine of any speed: a deadline only ends what would never end."""

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 240.0


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition that is to come true. Looking takes a fifth of the time at most: what is waited for needs
    the processor, too."""
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        assert now < deadline, f"not within {seconds:.0f} s"
        time.sleep(max(0.01, 4 * (now - begun)))


def lives(pid: int) -> bool:
    """Whether a process is there, and more than an entry that its parent has yet to read."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
