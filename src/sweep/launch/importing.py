"""Importing a lot: of what a module makes nothing is garbage, and looking for it takes a fifth of the time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """While modules are imported, collect no garbage; afterwards the collector leaves alone what is there by then.

    So it does not write to every object either: a fork server's workers go on sharing them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
