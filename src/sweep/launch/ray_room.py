"""Whether a Ray cluster has room for a worker: at all, and now."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.settings import RayLauncher


def bundle_of(settings: RayLauncher) -> dict[str, float]:
    """What a rank takes of a node."""
    gpus = {"GPU": float(settings.gpus_per_process)} if settings.gpus_per_process else {}
    return {"CPU": float(settings.threads), **gpus}


def wanted_text(settings: RayLauncher) -> str:
    """What a worker takes, such as `2 x {CPU: 1, GPU: 1}`."""
    return (
        f"{settings.processes} x {{{', '.join(f'{name}: {count:g}' for name, count in bundle_of(settings).items())}}}"
    )


def free_text(settings: RayLauncher, total: Mapping[str, float], free: Mapping[str, float]) -> str:
    """What the cluster has of that, such as `0 of 6 CPUs free`."""
    return ", ".join(f"{free.get(name, 0):g} of {total.get(name, 0):g} {name}s free" for name in bundle_of(settings))


def could_ever_hold(settings: RayLauncher, nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a worker would have room on these nodes (`ray.nodes()`) if nothing else ran there."""
    bundle = bundle_of(settings)
    rooms = [
        min(int(node["Resources"].get(name, 0) // count) for name, count in bundle.items())
        for node in nodes
        if node["Alive"]
    ]
    if settings.placement == "STRICT_PACK":
        return max(rooms, default=0) >= settings.processes
    if settings.placement == "STRICT_SPREAD":
        return sum(room > 0 for room in rooms) >= settings.processes
    return sum(rooms) >= settings.processes


def largest_text(settings: RayLauncher, nodes: Sequence[Mapping[str, Any]]) -> str:
    """The nodes, such as `3 nodes with 2 CPUs` (the most that one of them has)."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    most = ", ".join(
        f"{max((node.get(name, 0) for node in alive), default=0):g} {name}s" for name in bundle_of(settings)
    )
    return f"{len(alive)} node{'' if len(alive) == 1 else 's'} with {most} at most"
