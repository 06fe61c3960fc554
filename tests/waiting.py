"""Waiting for what other processes do, on a machine of any speed: a deadline only ends what would never end."""

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 240.0


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition that is to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process is there, and more than an entry that its parent has yet to read."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
