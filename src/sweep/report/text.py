"""Durations, the status of a worker, and the interpreter, as text."""

import os
import shlex
import sys
from typing import Any

Status = dict[str, Any]


def duration_text(seconds: float) -> str:
    """Such as "45 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def status_text(status: Status) -> str:
    """One worker's status, such as "ratio.monolingual=0,seed=0: training, step 20 of 300, loss 1.2345"."""
    loss = "" if status["loss"] is None else f", loss {status['loss']:.4f}"
    steps = f", step {status['step']} of {status['steps']}" if status["steps"] else ""
    return f"{status['key']}: {status['phase']}{steps}{loss}"


def this_python() -> str:
    """The interpreter that runs this, as one would type it here."""
    relative = os.path.relpath(sys.executable)
    return shlex.quote(relative if not relative.startswith("..") else sys.executable)
