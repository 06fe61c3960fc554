"""Whether a Ray cluster has room for a worker, and what its ranks get of a node."""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from sweep.errors import InputError
from sweep.launch.ray_cluster import Connection
from sweep.launch.ray_internals import discreet_start
from sweep.launch.ray_room import could_ever_hold, free_text, largest_text, wanted_text
from sweep.launch.ray_worker import shared_devices
from sweep.settings import RayLauncher


def settings(**changed: Any) -> RayLauncher:
    given = {
        "kind": "ray", "address": "auto", "workers": 1, "processes": 2, "threads": 1, "gpus_per_process": 0,
        "placement": "STRICT_PACK", "may_grow": False, "accelerate_config": None, "scratch": None,
    }  # fmt: skip
    return RayLauncher(**{**given, **changed})


def nodes(*resources: dict[str, float]) -> list[dict[str, Any]]:
    return [{"Alive": True, "Resources": one} for one in resources]


@pytest.mark.parametrize(
    ("placement", "cpus", "fits"),
    [
        ("STRICT_PACK", (2,), True),
        ("STRICT_PACK", (1, 1), False),
        ("PACK", (1, 1), True),
        ("SPREAD", (2,), True),
        ("SPREAD", (1,), False),
        ("STRICT_SPREAD", (4,), False),
        ("STRICT_SPREAD", (1, 1), True),
        ("PACK", (), False),
    ],
)
def test_a_placement_decides_what_fits(placement: str, cpus: tuple[int, ...], fits: bool) -> None:
    there = nodes(*({"CPU": float(count)} for count in cpus))
    assert could_ever_hold(settings(placement=placement), there) is fits


def test_gpus_and_cpus_have_to_be_on_the_same_node() -> None:
    asked = settings(gpus_per_process=1)
    assert not could_ever_hold(asked, nodes({"CPU": 8.0}, {"CPU": 1.0, "GPU": 8.0}))
    assert could_ever_hold(asked, nodes({"CPU": 8.0}, {"CPU": 2.0, "GPU": 2.0}))


def test_a_node_that_is_gone_holds_nothing() -> None:
    assert not could_ever_hold(settings(), [{"Alive": False, "Resources": {"CPU": 8.0}}])


def test_what_is_missing_is_named() -> None:
    asked = settings(gpus_per_process=1)
    assert wanted_text(asked) == "2 x {CPU: 1, GPU: 1}"
    assert free_text(asked, {"CPU": 6.0, "GPU": 2.0}, {"CPU": 3.0}) == "3 of 6 CPUs free, 0 of 2 GPUs free"
    assert largest_text(asked, nodes({"CPU": 4.0}, {"CPU": 2.0})) == "2 nodes with 4 CPUs, 0 GPUs at most"


def test_ranks_of_a_node_reach_each_others_devices() -> None:
    """The local rank counts among them, and each rank's first comes first."""
    assert shared_devices([("3",), ("5",)]) == ("3", "5")
    assert shared_devices([("0", "1"), ("2", "3")]) == ("0", "2", "1", "3")
    assert shared_devices([()]) == ()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("127.0.0.1:9", "no Ray cluster answers there"),
        ("ray://somewhere", "must be auto, HOST:6379 or ray://HOST:10001"),
        ("127.0.0.1:99999", "must be auto, HOST:6379 or ray://HOST:10001"),
    ],
)
def test_a_cluster_that_is_not_there_is_named(address: str, problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"launcher.address={address}: {problem}")):
        Connection(address).wait()


@pytest.mark.skipif(find_spec("grpc") is not None, reason="Ray's client is installed")
def test_rays_client_is_named_where_it_is_missing() -> None:
    with pytest.raises(InputError, match=r"ray://127\.0\.0\.1:9: .*pip install 'ray\[client\]'"):
        Connection("ray://127.0.0.1:9").wait()


def test_a_cluster_learns_no_password_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray shows it to whoever asks the cluster's head."""
    internals = import_module("ray._private.utils")
    typed = "python -m sweep study.storage=postgresql+psycopg://me:open-sesame@host/db"
    monkeypatch.setattr(internals, "get_entrypoint_name", lambda: typed)
    with discreet_start(is_own=False):
        assert internals.get_entrypoint_name() == typed.replace("open-sesame", "***")
    assert internals.get_entrypoint_name() == typed
