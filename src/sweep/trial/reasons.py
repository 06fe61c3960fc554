"""Why a trial failed, as its study keeps it."""

from sweep.errors import OUT_OF_MEMORY, SweepError, is_out_of_memory
from sweep.settings.secrets import redact


def reason_of(error: Exception) -> str:
    """An exception as a trial's reason: what is meant for users as it is, anything else with its type."""
    if not isinstance(error, SweepError) and is_out_of_memory(error):
        return f"{OUT_OF_MEMORY} ({type(error).__name__})"
    return redact(str(error) if isinstance(error, SweepError) else f"{type(error).__name__}: {error}")
