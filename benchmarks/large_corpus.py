"""Ten million rows in 14 languages: how long and in how much memory they are read, and whether training notices.

    python benchmarks/large_corpus.py [--rows 10000000] [--few 10000] [--steps 60] [--repeats 3] [--folder DIR]

Rows are written as JSON Lines, a file a language, and read by `data=rows` into an empty cache. In the same run
`datasets.load_dataset("json")` of Hugging Face reads the same files into its own Arrow cache, which neither finds
equal texts nor knows translation groups. Then the from-scratch model (4 layers, 256 hidden units, 64 rows a step) is
trained on that corpus and on one of --few rows, in turns, and the seconds of a step are compared, the first ten left
out. Every side runs in a process of its own; peak memory is resident, mapped files included. Fails if reading takes
more than 4 GB, or a step more than 1.1 times as long.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "de", "fr", "es", "ru", "ar", "hi", "tr", "sw", "am", "te", "yo", "bg", "ne")
WORDS = 20_000
MOST_BYTES, MOST_RATIO = 4 * 2**30, 1.1
WARM = 10  # steps that are not counted


def write_rows(folder: Path, rows: int) -> None:
    """Groups in all languages, with a text of about 60 and one of about 200 characters each."""
    folder.mkdir(parents=True)
    words = [f"{number:x}w" for number in range(WORDS)]
    for code in LANGUAGES:
        draw = random.Random(code)
        with (folder / f"{code}.jsonl").open("w") as file:
            for group in range(rows // len(LANGUAGES)):
                asked, answered = (" ".join(draw.choices(words, k=size)) for size in (10, 33))
                file.write(f'{{"group": "{group}", "query": "{code} {asked}", "passage": "{code} {answered}"}}\n')


def settings_of(folder: Path, steps: int) -> Any:
    """Of a study on the rows in a folder."""
    from sweep.settings.compose import Composer
    from sweep.settings.load import load_settings
    from sweep.settings.overrides import assignment

    overrides = (
        "data=rows", assignment("data.path", str(folder)), assignment("paths.cache", f"{folder}-cache"),
        f"languages.train=[{','.join(LANGUAGES)}]", "model.layers=4", "model.hidden_size=256", "train.batch_size=64",
        f"train.steps={steps}", "train.warmup_steps=5",
    )  # fmt: skip
    return load_settings(Composer("sweep", overrides))


def ingest(folder: Path) -> dict[str, Any]:
    """Read the rows into an empty cache."""
    from sweep.data.load import load_training_set

    training = load_training_set(settings_of(folder, 100))
    return {"groups": len(training.groups), "texts": len(training.texts)}


def ingest_by_datasets(folder: Path) -> dict[str, Any]:
    """The same files by the peer."""
    from datasets import load_dataset

    files = sorted(map(str, folder.glob("*.jsonl")))
    loaded = load_dataset("json", data_files=files, split="train", cache_dir=f"{folder}-datasets")
    return {"rows": len(loaded)}


def train(folder: Path, steps: int) -> dict[str, Any]:
    """Seconds of a step, the median."""
    import torch
    from accelerate import Accelerator

    from sweep.data.load import load_training_set
    from sweep.model.registry import build_retriever
    from sweep.model.token_cache import TokenCache
    from sweep.settings.cache import cache_folder
    from sweep.training.loop import Training
    from sweep.training.losses.registry import make_loss
    from sweep.training.plan import BatchPlan
    from sweep.training.step import ContrastiveStep
    from sweep.training.tokens import TokenTable
    from sweep.training.watch import TrainingPoint, Watch

    settings = settings_of(folder, steps)
    cache = cache_folder(settings.paths)
    data = load_training_set(settings)
    retriever = build_retriever(settings.model, data.texts, cache, 0)
    torch.manual_seed(0)
    fit = settings.train
    table = TokenTable(retriever, data, TokenCache(retriever, cache / "tokens", lambda note: None))
    step = ContrastiveStep(retriever, table, fit, Accelerator(cpu=True), make_loss(settings.loss, fit))
    plan = BatchPlan(data, settings.ratio, fit.batch_size, 0, fit.steps)
    times: list[float] = []

    def note(point: TrainingPoint) -> None:
        times.append(time.perf_counter())

    training = Training(step, retriever.encoder, plan, fit.model_copy(update={"log_every": 1}), Accelerator(cpu=True))
    training.run(Watch(on_point=note))
    seconds = [after - before for before, after in zip(times[WARM:], times[WARM + 1 :], strict=False)]
    return {"step_s": statistics.median(seconds)}


def run_side(name: str, folder: Path, steps: int) -> dict[str, Any]:
    """One side in a process of its own: what it measured, its seconds, and its peak memory."""
    command = [sys.executable, __file__, "--side", name, "--folder", str(folder), "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, folder: Path, steps: int) -> None:
    """The side itself."""
    began = time.perf_counter()
    sides = {
        "ingest": lambda: ingest(folder),
        "datasets": lambda: ingest_by_datasets(folder),
        "train": lambda: train(folder, steps),
    }
    found = sides[name]()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({**found, "wall": time.perf_counter() - began, "cpu": cpu, "peak": usage.ru_maxrss * 1024}))


def compare(options: argparse.Namespace, base: Path) -> None:
    """All sides, and what they came to."""
    many, few = base / "many", base / "few"
    for folder, rows in ((many, options.rows), (few, options.few)):
        if not folder.exists():
            write_rows(folder, rows)
    size = sum(file.stat().st_size for file in many.iterdir())
    print(f"{options.rows:,} rows in {len(LANGUAGES)} languages, {size / 2**30:.2f} GB of JSON Lines")
    ours, theirs = run_side("ingest", many, 0), run_side("datasets", many, 0)
    for name, side in (("ours", ours), ("datasets", theirs)):
        print(f"{name:<10} {side['wall']:7.1f} s wall {side['cpu']:7.1f} s CPU {side['peak'] / 2**30:6.2f} GB peak")
    print(f"read: {ours['cpu'] / theirs['cpu']:.2f} times the CPU time of datasets; {ours['texts']:,} distinct texts")
    run_side("ingest", few, 0)
    ratios = []
    for repeat in range(options.repeats):
        sides = [many, few] if repeat % 2 == 0 else [few, many]
        measured = {folder: run_side("train", folder, options.steps) for folder in sides}
        ratios.append(measured[many]["step_s"] / measured[few]["step_s"])
        for name, folder in (("many", many), ("few", few)):
            side = measured[folder]
            print(f"a step of {name} rows: {side['step_s'] * 1000:.1f} ms, peak {side['peak'] / 2**30:.2f} GB")
    ratio = statistics.median(ratios)
    pairs = f"median of {len(ratios)} pairs"
    print(f"a step on {options.rows:,} rows takes {ratio:.3f} times one on {options.few:,} ({pairs})")
    if ours["peak"] > MOST_BYTES or (options.rows > 1_000_000 and ratio > MOST_RATIO):
        sys.exit("more than 4 GB, or a step of more than 1.1 times")


def main() -> None:
    """Run the comparison, or the one side that --side names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--side", choices=["ingest", "datasets", "train"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measure(options.side, options.folder, options.steps)
    elif options.folder:
        compare(options, options.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(options, Path(folder))


if __name__ == "__main__":
    main()
