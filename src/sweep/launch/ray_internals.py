"""What Ray does when it connects, and has no option for.

Private members of Ray are replaced meanwhile. `_private.utils.get_entrypoint_name`: Ray shows every process's command
line to whoever reaches the cluster's dashboard or asks its head, and a command line may have passwords.
`_private.ray_constants.ENABLE_RAY_CLUSTER`: a cluster that `ray.init` starts on Linux listens on all interfaces, on
macOS and Windows on the loopback interface alone; this is what decides.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

from sweep.settings.secrets import redact


@contextmanager
def discreet_start(is_own: bool) -> Iterator[None]:
    """Keep passwords to this process, and a cluster of its own (`is_own`) to this machine, while Ray connects."""
    internals = import_module("ray._private.utils")
    command_line = internals.get_entrypoint_name
    with ExitStack() as replaced:
        replaced.enter_context(_with(internals, "get_entrypoint_name", lambda: redact(command_line())))
        if is_own:
            replaced.enter_context(_with(import_module("ray._private.ray_constants"), "ENABLE_RAY_CLUSTER", False))
        yield


@contextmanager
def _with(module: Any, name: str, value: Any) -> Iterator[None]:
    """Another value for something of a module."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
