"""A real MLflow server for tests, and what may stand between it and its users."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tests.waiting import SECONDS


class Server:
    """An `mlflow server` on a port of its own, which can be killed and started again with the same database: one of
    its own, or `store`. Files go through the server, or from its users straight to the folder `files`."""

    def __init__(self, home: Path, store: str | None = None, files: Path | None = None) -> None:
        self.home = home
        self._store = store or f"sqlite:///{home}/mlflow.db"
        self._files = (
            ("--artifacts-destination", str(self.home / "artifacts"))
            if files is None
            else ("--no-serve-artifacts", "--default-artifact-root", files.as_uri())
        )
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
                "--workers", "1", "--backend-store-uri", self._store, *self._files,
            ],
            cwd=self.home,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # eight processes that nothing asks
            stdout=(self.home / "server.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 300  # of a busy machine; it imports MLflow twice
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

    def hang(self) -> None:
        """Accept connections, and answer nobody."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer what was asked meanwhile, too."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    bytes: int  # of its body


class Proxy:
    """A server that passes requests on to one of this machine, after a while if `delay_s` says so; those that it
    `refuses` with a status or a page (status, headers, body) it does not. `requests` are all that came. Once it is
    closed it passes nothing on any more."""

    def __init__(self, port: int, delay_s: float = 0, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.refuses: Callable[[Request], int | tuple[int, Mapping[str, str], bytes] | None] = lambda _: None
        closing = self._closing = threading.Event()
        self._at_work, self._rested = 0, threading.Condition()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_any(self) -> None:
                with proxy.working():
                    self._serve()

            def _serve(self) -> None:
                if closing.wait(delay_s):
                    self.close_connection = True
                    return
                body = self._body()
                request = Request(self.command, self.path, self.headers, len(body))  # type: ignore[arg-type]
                proxy.requests.append(request)
                refused = proxy.refuses(request)
                if refused is None:
                    self._pass_on(body)
                else:
                    status, headers, page = refused if isinstance(refused, tuple) else (refused, {}, b"refused")
                    self._answer(status, headers, page)

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _pass_on(self, body: bytes) -> None:
                connection = http.client.HTTPConnection("127.0.0.1", port)
                kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self._answer(answer.status, {"Content-Type": answer.getheader("Content-Type") or ""}, content)

            def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.uri = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a request is answered."""
        with self._rested:
            self._at_work += 1
        try:
            yield
        finally:
            with self._rested:
                self._at_work -= 1
                self._rested.notify_all()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        with self._rested:  # what is being passed on arrives before whatever follows
            assert self._rested.wait_for(lambda: not self._at_work, SECONDS)
