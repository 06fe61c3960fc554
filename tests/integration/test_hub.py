"""MIRACL from a hub: a real server in the hub's protocol, and the hub's own client in a new process."""

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.unit.test_judged import miracl, miracl_files

from sweep.settings.overrides import assignment

pytestmark = pytest.mark.slow


class Hub:
    """A server with the requests that downloading a data set takes: a repository's tree, and its files."""

    def __init__(self, files: dict[str, dict[str, bytes]]) -> None:
        self.files = files  # repository -> path -> content
        self.cut: set[str] = set()  # paths whose connection breaks off halfway
        self.sent: list[str] = []  # paths sent, in order
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def do_HEAD(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        parts = unquote(urlsplit(request.path).path).lstrip("/").split("/")
        tree = parts[:2] == ["api", "datasets"]
        # api/datasets/OWNER/NAME/tree/REVISION or datasets/OWNER/NAME/resolve/REVISION/PATH
        owner, name, _, revision, *rest = [*parts[2 if tree else 1 :], *[""] * 4]
        held, path = self.files.get(f"{owner}/{name}"), "/".join(rest).rstrip("/")
        if held is None or not (tree or path in held):
            request.send_error(404)
            return
        entries = [
            {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for name, content in held.items()
        ]
        content = json.dumps(entries).encode() if tree else held[path]
        request.send_response(200)
        request.send_header("Content-Type", "application/json" if tree else "application/octet-stream")
        request.send_header("Content-Length", str(len(content)))
        request.send_header("X-Repo-Commit", revision)
        request.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        request.end_headers()
        if request.command == "GET":
            self.sent += [] if tree else [path]  # before the client can end
            request.wfile.write(content[: len(content) // 2] if path in self.cut else content)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """MIRACL's two repositories, with Swahili and Yoruba and files that nobody asks for."""
    folder = miracl(miracl(tmp_path / "published"), "yo")
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*") if file.is_file()}
    corpus = {name: content for name, content in files.items() if name.startswith("miracl-corpus")}
    judged = {name: content for name, content in files.items() if name not in corpus}
    served = Hub(
        {
            "miracl/miracl": {"README.md": b"judgements", **judged},
            "miracl/miracl-corpus": {"README.md": b"", **corpus},
        }
    )
    yield served
    served.server.shutdown()
    served.server.server_close()


LOAD = """
import sys, time
time.sleep = lambda _: None  # the client waits up to 25 s between its attempts
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.data.load import load_benchmark
from sweep.errors import InputError
try:
    bench = load_benchmark(load_evaluate_settings(Composer("evaluate", sys.argv[1:])))
    print(*(passage.id for passage in bench.passages), len(bench.questions))
except InputError as error:
    sys.exit(f"InputError: {error}")
"""


def from_hub(folder: Path, url: str, *languages: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load MIRACL in a new process: the client reads its server's address when it is imported."""
    overrides = [
        *("model.path=x", "evaluation=miracl", assignment("paths.cache", str(folder / "cache"))),
        assignment("languages.evaluate", list(languages)),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [sys.executable, "-c", LOAD, *overrides],
        env={**kept, "HF_ENDPOINT": url, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "0", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_hub_gives_the_files_of_the_languages_once(hub: Hub, tmp_path: Path) -> None:
    first = from_hub(tmp_path, hub.url, "sw")
    assert first.stdout.split() == ["sw:1#0", "sw:1#1", "sw:9#0", "2"], first.stderr
    assert "Downloading miracl (Apache-2.0 (judgements)" in first.stderr
    published = tmp_path / "published"
    expected = [*miracl_files(published)[:2], *miracl_files(published)[2].iterdir()]
    assert sorted(hub.sent) == sorted(str(file.relative_to(published)) for file in expected)
    hub.server.shutdown()
    hub.server.server_close()
    again = from_hub(tmp_path, hub.url, "sw")  # without a server
    assert again.stdout == first.stdout, again.stderr


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}], ids=["refused", "offline"])
def test_a_hub_that_cannot_be_reached_is_one_clear_message(tmp_path: Path, environment: dict[str, str]) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        done = from_hub(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}", "sw", **environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    problem = done.stderr.strip().splitlines()[-1]
    assert problem.startswith("InputError: miracl/miracl: cannot be downloaded from the hub (")
    assert problem.endswith("with the files in a local folder, add evaluation.path=FOLDER")


def test_a_connection_that_breaks_off_is_one_clear_message_and_mends(hub: Hub, tmp_path: Path) -> None:
    hub.cut = {"miracl-corpus-v1.0-sw/docs-1.jsonl.gz"}
    broken = from_hub(tmp_path, hub.url, "sw")
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr
    assert "InputError: miracl/miracl-corpus: cannot be downloaded from the hub (" in broken.stderr
    hub.cut = set()
    mended = from_hub(tmp_path, hub.url, "sw")
    assert mended.stdout.split() == ["sw:1#0", "sw:1#1", "sw:9#0", "2"], mended.stderr


def test_a_repository_that_is_gone_is_named(hub: Hub, tmp_path: Path) -> None:
    del hub.files["miracl/miracl-corpus"]
    gone = from_hub(tmp_path, hub.url, "sw")
    assert gone.returncode == 1
    assert "InputError: miracl/miracl-corpus: the hub gave no miracl-corpus-v1.0-sw/docs-*.jsonl.gz" in gone.stderr


def test_a_split_that_the_hub_lacks_is_named(hub: Hub, tmp_path: Path) -> None:
    del hub.files["miracl/miracl"]["miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-dev.tsv"]
    lacking = from_hub(tmp_path, hub.url, "sw")
    assert lacking.returncode == 1
    assert "miracl/miracl: the hub gave no miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-dev.tsv; " in lacking.stderr
