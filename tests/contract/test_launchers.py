"""What every launcher has to do, with real processes. A new launcher is one more `kind`."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.contract.launching import CLUSTERS, KINDS, launcher_settings
from tests.contract.ranks import order
from tests.integration.commands import command_line, fork_servers
from tests.startup import held_server
from tests.waiting import SECONDS, lives, until

from sweep.errors import InputError
from sweep.launch import processes
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import LOST, WorkerHandle
from sweep.launch.ray_cluster import Connection, connected
from sweep.launch.registry import make_launcher
from sweep.settings import RayLauncher

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc"),
]

Start = Callable[..., WorkerHandle]


def status_of(worker: WorkerHandle) -> int:
    """Its exit status, once it has one."""
    until(lambda: worker.poll() is not None)
    status = worker.poll()
    assert status is not None
    return status


def report(folder: Path, rank: int = 0, worker: str = "w") -> dict[str, Any]:
    """What a rank has left, once it is there."""
    file = folder / f"{worker}-{rank}.json"
    until(file.exists)
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def of_session(session: int) -> list[int]:
    """The living processes of a session."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number, *_ = stat.read_text().rpartition(")")[2].split()
        except OSError:  # just gone
            continue
        if int(number) == session and state != "Z":
            members.append(int(stat.parent.name))
    return members


AGENTS = r"ray/(dashboard/agent|_private/runtime_env/agent/main)\.py|ray::(Dashboard|RuntimeEnv)Agent"


def works(pid: int) -> bool:
    """Whether a process lives, and is none of Ray's two agents: they run no rank, and try for a minute to tell a head
    that is gone that their node is, too."""
    words = command_line(pid)
    return words != "" and not re.search(AGENTS, words)


# What a launcher does not promise, or only as another one does; and why.
EXCLUDED = {
    "ray": {
        "test_a_library_that_crashes_at_the_end_of_an_interpreter_changes_no_status": "a rank like spawn's",
        "test_an_exception_ends_it_with_status_1_and_its_traceback": "a rank like spawn's",
    },
    "slurm": {
        "test_a_library_that_crashes_at_the_end_of_an_interpreter_changes_no_status": "a rank like spawn's",
        "test_an_exception_ends_it_with_status_1_and_its_traceback": "a rank like spawn's",
        "test_it_uses_the_threads_it_is_given": "a rank like spawn's",
    },
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if reason := EXCLUDED.get(name, {}).get(request.node.originalname):
        pytest.skip(reason)
    return name


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Start]:
    """Start a worker of the test's ranks; all of them are ended after the test."""
    started: list[WorkerHandle] = []

    def start(given: WorkOrder, slot: int = 0, **settings: Any) -> WorkerHandle:
        launcher = make_launcher(launcher_settings(kind, **settings), tmp_path, "tests.contract.ranks:main")
        launcher.warm_up()
        started.append(launcher.start(given, slot))
        return started[-1]

    yield start
    for worker in started:
        worker.end()


class TestLaunchers:
    """The contract."""

    @pytest.mark.parametrize("status", [0, 3])
    def test_a_worker_ends_with_its_status(self, start: Start, tmp_path: Path, status: int) -> None:
        worker = start(order(tmp_path, "end", str(status)))
        assert status_of(worker) == status
        assert worker.poll() == status
        until(lambda: not lives(report(tmp_path)["pid"]))

    @pytest.mark.parametrize("status", [0, 3])
    def test_a_library_that_crashes_at_the_end_of_an_interpreter_changes_no_status(
        self, start: Start, tmp_path: Path, status: int
    ) -> None:
        assert status_of(start(order(tmp_path, "crash", str(status)))) == status

    def test_an_exception_ends_it_with_status_1_and_its_traceback(self, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "raise"))
        assert status_of(worker) == 1
        assert "ValueError: this is the reason" in worker.log.read_text()

    def test_it_gets_its_surroundings(self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Output to its log, an empty standard input, the environment and the folder of this moment."""
        monkeypatch.setenv("SWEEP_MARK", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        worker = start(order(tmp_path, "end", "0"), slot=1, workers=2)
        assert status_of(worker) == 0
        seen = report(tmp_path)
        assert seen["stdin"] == ""
        assert seen["folder"] == str(tmp_path)
        assert seen["environment"]["SWEEP_MARK"] == str(tmp_path)
        assert worker.log.name == "worker-2.log"
        assert {"rank 0 prints", "rank 0 complains"} <= set(worker.log.read_text().splitlines())

    def test_its_slot_decides_about_its_devices(
        self, kind: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if kind in CLUSTERS:
            pytest.skip("the cluster decides about them")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
        assert status_of(start(order(tmp_path, "end", "0"), slot=1, workers=2)) == 0
        assert report(tmp_path)["environment"]["CUDA_VISIBLE_DEVICES"] == "7"

    def test_it_uses_the_threads_it_is_given(self, start: Start, tmp_path: Path) -> None:
        assert status_of(start(order(tmp_path, "measure"), threads=2)) == 0
        seen = report(tmp_path)
        assert seen["torch"] == 2
        assert len(seen["pools"]) >= 2
        assert set(seen["pools"]) == {2}
        assert seen["environment"]["OMP_NUM_THREADS"] == "2"
        assert status_of(start(order(tmp_path, "measure", worker="one"), threads=1)) == 0
        seen = report(tmp_path, worker="one")
        assert (seen["torch"], set(seen["pools"]), seen["more_threads"]) == (1, {1}, [0, 0])

    def test_it_ends_when_it_is_asked_to(self, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "wait"))
        report(tmp_path)
        assert worker.poll() is None
        worker.ask_to_stop()
        assert status_of(worker) == 0

    def test_a_request_to_stop_reaches_a_worker_that_still_starts(self, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "wait"), processes=2)
        worker.ask_to_stop()
        assert status_of(worker) == 0

    def test_it_is_ended_whose_processes_are_known(self, kind: str, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "wait"), processes=2)
        pids = tuple(report(tmp_path, rank)["pid"] for rank in (0, 1))
        until(lambda: worker.pids == (() if kind == "slurm" else pids))  # those of jobs are on the cluster's nodes
        worker.end()
        assert not any(map(lives, pids))

    def test_a_worker_that_does_not_answer_is_ended_by_force(self, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "wait"))
        pid = report(tmp_path)["pid"]
        os.kill(pid, signal.SIGSTOP)
        worker.end(patience_s=0.1)
        assert not lives(pid)

    def test_a_worker_that_is_ended_while_it_starts_does_no_work(self, start: Start, tmp_path: Path) -> None:
        with processes._starting:  # as when another one is being started
            start(order(tmp_path, "wait")).end()
        worker = start(order(tmp_path, "end", "0", worker="next"))
        assert status_of(worker) == 0
        assert not (tmp_path / "w-0.json").exists()

    def test_the_ranks_of_two_groups_find_their_own(self, start: Start, tmp_path: Path) -> None:
        names = ("one", "other")
        workers = [start(order(tmp_path, "gather", worker=name), processes=2) for name in names]
        assert [status_of(worker) for worker in workers] == [0, 0], [worker.log.read_text() for worker in workers]
        for name in names:
            for rank in (0, 1):
                assert report(tmp_path, rank, name)["gathered"] == [f"{name} 0", f"{name} 1"]

    def test_nothing_listens_beyond_this_machine(self, start: Start, tmp_path: Path) -> None:
        """Whatever the machine's name leads to."""
        worker = start(order(tmp_path, "gather"), processes=2)
        assert status_of(worker) == 0, worker.log.read_text()
        reports = [report(tmp_path, rank) for rank in (0, 1)]
        listening = [address for one in reports for address in one["listening"]]
        assert listening
        assert set(listening) <= {"0100007F", "00000000000000000000000001000000"}
        for one in reports:
            assert {one["environment"][name] for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")} == {"lo"}

    def test_a_killed_rank_ends_its_group(self, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "wait"), processes=2)
        pids = [report(tmp_path, rank)["pid"] for rank in (0, 1)]
        os.kill(pids[1], signal.SIGKILL)
        assert status_of(worker) == -signal.SIGKILL
        assert not any(map(lives, pids))

    def test_a_rank_that_fails_ends_its_group(self, start: Start, tmp_path: Path) -> None:
        worker = start(order(tmp_path, "end", "5", "1"), processes=2)
        pids = [report(tmp_path, rank)["pid"] for rank in (0, 1)]
        assert status_of(worker) == 5
        assert not any(map(lives, pids))

    def test_only_its_launcher_decides_about_it(self, kind: str, tmp_path: Path) -> None:
        """Ctrl-C for the process group, from the first moment on, does not end it; the launcher's death does."""
        command = [sys.executable, "-m", "tests.contract.launching", kind, str(tmp_path)]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        until((tmp_path / "started").exists)
        while not (tmp_path / "w-0.json").exists():
            assert driver.poll() is None
            os.killpg(driver.pid, signal.SIGINT)
            time.sleep(0.05)
        assert lives(report(tmp_path)["pid"])
        driver.kill()
        driver.communicate()
        until(lambda: not any(map(works, of_session(driver.pid))))

    @pytest.mark.parametrize("given", ["<&-", "<answers"])
    def test_nothing_is_left_after_its_end(self, kind: str, tmp_path: Path, given: str) -> None:
        """Whatever its launcher's input is, a rank reads neither that nor what its launcher tells it."""
        if kind in CLUSTERS and given != "<&-":
            pytest.skip("its ranks are no children of this launcher")
        (tmp_path / "answers").write_text("yes\n" * 100)
        module = shlex.join([sys.executable, "-m", "tests.contract.launching", kind, str(tmp_path)])
        command = ["sh", "-c", f"exec {module} {given.replace('answers', shlex.quote(str(tmp_path / 'answers')))}"]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert report(tmp_path)["stdin"] == ""
        (tmp_path / "stop").touch()
        assert driver.communicate(timeout=SECONDS)[0] == "0\n"
        until(lambda: not of_session(driver.pid))


class TestOwnCluster:
    """What launcher=ray starts on this machine where no cluster is named."""

    def test_nobody_else_reaches_it_and_it_is_no_other_one_s_to_end(self) -> None:
        settings = launcher_settings("ray")
        assert isinstance(settings, RayLauncher)
        ray = connected(settings).wait()
        listening = set()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # a zombie, too
                sockets = process.net_connections("inet")
                listening |= {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
        assert listening
        assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        other = Connection("auto")
        with pytest.raises(InputError, match="connected to a Ray cluster already"):
            other.wait()
        other.close()
        assert ray.is_initialized()
        assert connected(settings).wait().cluster_resources()["CPU"] > 0


class TestForkServer:
    """The local launcher's own promises."""

    @pytest.fixture
    def kind(self) -> str:
        return "local"

    def test_it_has_one_thread_and_has_not_touched_a_device(self, start: Start, tmp_path: Path) -> None:
        assert status_of(start(order(tmp_path, "measure"))) == 0
        seen = report(tmp_path)
        assert "forkserver" in command_line(seen["parent"])
        assert seen["server_threads"] == 1
        assert seen["cuda_begun"] is False

    def test_its_death_is_its_workers_death_and_the_next_start_makes_a_new_one(
        self, start: Start, tmp_path: Path
    ) -> None:
        worker = start(order(tmp_path, "wait"))
        seen = report(tmp_path)
        os.kill(seen["parent"], signal.SIGKILL)
        assert status_of(worker) == LOST
        until(lambda: not lives(seen["pid"]))  # its files are closed a moment before it is gone
        assert status_of(start(order(tmp_path, "end", "0", worker="next"))) == 0
        assert report(tmp_path, worker="next")["parent"] != seen["parent"]

    def test_its_death_while_a_worker_starts_is_that_workers_death(self, tmp_path: Path) -> None:
        """In a process of its own, whose fork server is killed among its imports."""
        command = [sys.executable, "-m", "tests.contract.launching", "local", str(tmp_path)]
        environment = {**os.environ, **held_server(tmp_path)}
        driver = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
        until((tmp_path / "started").exists)
        until((tmp_path / "held").exists)

        def killed() -> bool:
            """Whether that has ended the worker; else another server was made, since the worker came to ask only
            after the death of the first one."""
            for server in fork_servers(driver.pid):
                with suppress(ProcessLookupError):
                    os.kill(server, signal.SIGKILL)
            return driver.poll() is not None

        until(killed)
        assert driver.communicate(timeout=SECONDS)[0] == f"{LOST}\n"
        assert "a worker could not be started" in (tmp_path / "worker-1.log").read_text()
