"""A real MLflow server for tests."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Server:
    """An `mlflow server` on a port of its own, which can be killed and started again with the same database: one of
    its own, or `store`."""

    def __init__(self, home: Path, store: str | None = None) -> None:
        self.home = home
        self._store = store or f"sqlite:///{home}/mlflow.db"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
                "--workers", "1", "--backend-store-uri", self._store,
                "--artifacts-destination", str(self.home / "artifacts"),
            ],
            cwd=self.home,
            stdout=(self.home / "server.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, (self.home / "server.log").read_text()
            assert time.monotonic() < deadline, (self.home / "server.log").read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
