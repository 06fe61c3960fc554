"""Why a trial failed, as its study keeps it."""

from sweep.errors import (
    LESS_FOR_TRAINING,
    OUT_OF_MEMORY,
    SweepError,
    is_device_out_of_memory,
    is_out_of_memory,
    shortened,
)
from sweep.settings.secrets import redact

QUOTED_OF_MEMORY = 160  # characters: how much was asked for, and how much there is


def reason_of(error: Exception) -> str:
    """An exception as a trial's reason: what is meant for users as it is, anything else with its type."""
    if not isinstance(error, SweepError) and is_out_of_memory(error):
        return _of_memory(error)
    return redact(str(error) if isinstance(error, SweepError) else f"{type(error).__name__}: {error}")


def _of_memory(error: Exception) -> str:
    """What needs less memory, and what the library says."""
    words = shortened(redact(" ".join(str(error).split())), QUOTED_OF_MEMORY)
    quoted = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if is_device_out_of_memory(error):
        return f"out of memory on the GPU; {LESS_FOR_TRAINING}, or a shorter model.max_passage_tokens ({quoted})"
    return f"{OUT_OF_MEMORY}; so does {LESS_FOR_TRAINING} ({quoted})"
