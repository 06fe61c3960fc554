"""A real PostgreSQL server for tests: its own data folder, a free loopback port, a password."""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "sweeper", "s3cret{%}w0rd"
QUOTED_PASSWORD = "s3cret%7B%25%7Dw0rd"


def find_program(name: str) -> Path | None:
    """A program of the server, in PATH or where Debian keeps it."""
    found = shutil.which(name)
    listed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return Path(found) if found else next(iter(listed), None)


def why_not() -> str | None:
    """Why no server can be started here, or None."""
    if find_program("initdb") is None or find_program("pg_ctl") is None:
        return "no PostgreSQL server programs (initdb, pg_ctl) in PATH or /usr/lib/postgresql/*/bin"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user 'postgres'"
    return None


class PostgresServer:
    """A server that can be stopped and started again. `url(database)` has the password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256",
                  "--pwfile", str(folder / "password"), "--no-sync", "-E", "UTF8")  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(find_program(program)), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{program} as {getpass.getuser()}: {done.stdout}{done.stderr}"

    def start(self, *more: str) -> None:
        """Start it with further options such as `-c max_connections=500`, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.folder} {' '.join(more)}"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "-l", str(self.folder / "log"), "start"
        )

    def stop(self) -> None:
        """Stop it at once, connections and all."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "fast", "stop")

    def url(self, database: str = "postgres", password: str = QUOTED_PASSWORD) -> str:
        """Where a database is."""
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def running_server(*options: str) -> Iterator[PostgresServer]:
    """A server started with these options, in a folder that its user can enter; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sweep-postgres-"))
    try:
        server = PostgresServer(folder)
        server.start(*options)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
