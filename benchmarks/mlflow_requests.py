"""What a study costs an MLflow server: requests and bytes, by what they are for, and how they grow with the trials.

    python benchmarks/mlflow_requests.py [--sizes 2 6] [--metrics headline all]

A real `mlflow server` on a database of its own stands behind a proxy that counts every request with its bytes and the
time until its answer. For each of `metrics` the same tiny study of two points is run with each number of seeds; of
the differences the slope is what a trial costs, and the rest what a study costs once. Counts and bytes do not depend
on what else the machine does; seconds do.

The peer is what one would write by hand with MLflow's fluent API, of the larger study's folder: a nested run for each
trial with the same parameters (`log_params`), losses (`log_metric`, as a training loop does), metrics
(`log_metrics`), files (`log_artifact`) and table. It has no runs of points, no baselines and no data sets. It goes
through the same proxy to the same server right after the study; the ratios that are printed are ours by its.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

TINY = (
    "+experiment=smoke", "train.steps=6", "train.warmup_steps=1", "train.batch_size=16", "study.export=none",
    "train.log_every=1", "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12",
    "model.vocabulary_size=800", "study.space={ratio.monolingual: {grid: [0.5, 1]}}", "--progress=none",
    "report.files=false", "tracking.patience_s=600", "launcher.threads=1",
)  # fmt: skip
POINTS = 2


class Request(NamedTuple):
    what: str
    sent: int  # bytes of the body
    answered: int
    seconds: float


class CountingProxy:
    """Passes requests on to a port of this machine, and remembers them."""

    def __init__(self, port: int) -> None:
        self.requests: list[Request] = []
        remembered = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_any(self) -> None:
                began = time.monotonic()
                body = self._body()
                connection = http.client.HTTPConnection("127.0.0.1", port)
                dropped = ("host", "transfer-encoding", "content-length")
                kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                what = f"{self.command} {_endpoint(self.path)}"
                remembered.append(Request(what, len(body), len(content), time.monotonic() - began))
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self._server.server_port}"


def _endpoint(path: str) -> str:
    name = path.partition("?")[0]
    return "mlflow-artifacts" if "mlflow-artifacts" in name else name.partition("/mlflow/")[2]


@contextmanager
def server(home: Path) -> Iterator[CountingProxy]:
    """A server behind a proxy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "artifacts"),
    ]  # fmt: skip
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
    try:
        while process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        yield CountingProxy(port)
    finally:
        process.terminate()
        process.wait()


def run_study(proxy: CountingProxy, home: Path, name: str, seeds: int, metrics: str) -> tuple[list[Request], float]:
    """The requests of a study, and the seconds that it took."""
    proxy.requests.clear()
    began = time.monotonic()
    asked = (f"study.seeds={list(range(seeds))}", f"tracking.metrics={metrics}", f"tracking.uri={proxy.uri}")
    command = [sys.executable, "-m", "sweep", *TINY, *asked, f"study.name={name}", f"paths.sweeps={home / 'sweeps'}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return list(proxy.requests), time.monotonic() - began


def log_by_hand(proxy: CountingProxy, study: Path, metrics: str) -> list[Request]:
    """The requests of the loop that one would write, for the trials of a study that has ended."""
    proxy.requests.clear()
    subprocess.run(
        [sys.executable, __file__, "--by-hand", str(study), metrics],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_TRACKING_URI": proxy.uri, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"},
    )
    return list(proxy.requests)


def by_hand(study: Path, metrics: str) -> None:
    """Log trials with MLflow's fluent API."""
    import mlflow

    from sweep.settings import flattened
    from sweep.settings.saved_yaml import read_yaml
    from sweep.tracking.mlflow_pages import metric_name, metrics_table
    from sweep.tracking.shown import PARAMETERS, headline

    mlflow.set_experiment(f"by hand {study.name}")
    with mlflow.start_run(run_name="study"):
        for folder in sorted((study / "trials").iterdir()):
            result = json.loads((folder / "metrics.json").read_text())
            config = flattened(read_yaml(folder / "config.yaml"))
            shown = headline(result, (), "all" if metrics == "all" else "headline")
            asked = config if metrics == "all" else {path: config[path] for path in PARAMETERS if path in config}
            with mlflow.start_run(run_name=folder.name, nested=True):
                mlflow.log_params(asked)
                mlflow.set_tags({"point": folder.name, "attempt": "1"})
                for line in (folder / "losses.csv").read_text().splitlines()[1:]:
                    step, loss = line.split(",")[:2]
                    mlflow.log_metric("train/loss", float(loss), step=int(step))
                mlflow.log_metrics({metric_name(name): value for name, value in shown.items()}, step=6)
                for file in sorted(folder.iterdir()):
                    if file.suffix in (".yaml", ".json", ".parquet", ".csv", ".txt") and file.name != "result.json":
                        mlflow.log_artifact(str(file))
                mlflow.log_dict(json.loads(metrics_table(result)), "metrics_table.json")


def totals(requests: list[Request]) -> tuple[float, float, float]:
    """Their number, their bytes, and the seconds until their answers."""
    return len(requests), sum(one.sent for one in requests), sum(one.seconds for one in requests)


def printed(title: str, requests: list[Request], trials: int) -> None:
    """What a study of so many trials has cost."""
    sent, answered = (sum(one.sent for one in requests), sum(one.answered for one in requests))
    seconds = [one.seconds for one in requests]
    print(
        f"{title}: {trials} trials, {len(requests)} requests, {sent / 1e3:.0f} kB sent, {answered / 1e3:.0f} kB "
        f"answered, {sum(seconds):.1f} s of answers (median {1e3 * statistics.median(seconds):.0f} ms)"
    )
    kinds = Counter(one.what for one in requests)
    sizes: Counter[str] = Counter()
    for one in requests:
        sizes[one.what] += one.sent
    for what, count in kinds.most_common():
        print(f"    {count:5d}  {count / trials:6.2f} a trial  {sizes[what] / 1e3:8.1f} kB  {what}")


def main() -> None:
    """Compare studies with each other, and with the loop by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs=2, default=(2, 6), metavar="SEEDS")
    parser.add_argument("--metrics", nargs="+", default=["headline", "all"])
    parser.add_argument("--by-hand", nargs=2, metavar=("STUDY", "METRICS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.by_hand:
        by_hand(Path(options.by_hand[0]), options.by_hand[1])
        return
    with tempfile.TemporaryDirectory() as drafts, server(Path(drafts)) as proxy:
        home = Path(drafts)
        for metrics in options.metrics:
            counts = {}
            for seeds in options.sizes:
                trials = POINTS * seeds
                requests, seconds = run_study(proxy, home, f"{metrics}{seeds}", seeds, metrics)
                printed(f"metrics={metrics}", requests, trials)
                print(f"    {seconds:.0f} s: {60 * len(requests) / seconds:.0f} requests a minute")
                counts[trials] = totals(requests)
            (few, one), (many, other) = sorted(counts.items())
            slopes = [(after - before) / (many - few) for before, after in zip(one, other, strict=True)]
            print(
                f"  a trial costs {slopes[0]:.1f} requests, {slopes[1] / 1e3:.0f} kB, {slopes[2]:.2f} s of answers; "
                f"a study {one[0] - few * slopes[0]:.0f} requests more"
            )
            peer = log_by_hand(proxy, home / "sweeps" / f"{metrics}{options.sizes[1]}", metrics)
            printed(f"by hand, metrics={metrics}", peer, many)
            ratios = [ours / its for ours, its in zip(other, totals(peer), strict=True)]
            print(
                f"  ours by the loop by hand: requests {ratios[0]:.2f}, bytes {ratios[1]:.2f}, seconds of answers "
                f"{ratios[2]:.2f}"
            )


if __name__ == "__main__":
    main()
