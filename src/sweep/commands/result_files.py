"""The results that a command line names, and their files of ranks."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sweep.errors import InputError
from sweep.records.results import rank_files
from sweep.settings.metric_key import MetricKey

SEED = re.compile(r"(?:^|,)seed=(\d+)$")  # at the end of a trial's key


def shared_benchmarks(results: Sequence[Sequence[Path]]) -> dict[str, list[list[Path]]]:
    """The benchmarks that all results have ranks of, in the order of the first result: for each of them the files of
    every result. Where they share none, what each result has first: comparing that says what is wrong."""
    from sweep.evaluation.rank_file import benchmark_of  # seconds

    every = [[{benchmark_of(one): one for one in _with_further(file)} for file in files] for files in results]
    known = [set.intersection(*(set(of_seed) for of_seed in of_result)) for of_result in every]
    shared = [name for name in every[0][0] if all(name in names for names in known)]
    if not shared:
        return {next(iter(every[0][0])): [list(files) for files in results]}
    return {name: [[of_seed[name] for of_seed in of_result] for of_result in every] for name in shared}


def _with_further(file: Path) -> Iterator[Path]:
    """The file of ranks of a result, and those of further benchmarks that belong to the same metrics: a file of an
    earlier evaluation may lie beside it."""
    keys = _keys(file.with_name("metrics.json" if file.stem == "ranks" else f"{Path(file.stem).stem}.json"))
    for one in rank_files(file):
        if one == file or one.stem.removeprefix(f"{file.stem}.") in keys:
            yield one


def _keys(metrics: Path) -> set[str]:
    """The benchmarks that a file of metrics has keys of; none if it is not there, or damaged."""
    try:
        return {MetricKey.parse(key).benchmark for key in json.loads(metrics.read_text(encoding="utf-8"))}
    except (OSError, ValueError):
        return set()


def named(result: str) -> tuple[str, list[Path]]:
    """A result's name and its files of ranks, one for each seed. A path may itself hold '=' and ',', as a trial's
    folder does: what exists as it stands is taken as it stands."""
    name, equals, rest = result.partition("=")
    paths = _paths(result)
    if paths is not None or not equals or "/" in name:
        name, rest = result, result
    else:
        paths = _paths(rest)
    if paths is None:
        raise InputError(f"no such result: {rest}; give a trial's folder, ranks.parquet or an evaluation's JSON")
    return name, [_ranks_file(Path(path)) for path in paths]


def _paths(text: str) -> list[str] | None:
    """Split at commas, but not within a path that exists; None if a part does not exist."""
    parts, paths = text.split(","), []
    while parts:
        for size in range(len(parts), 0, -1):
            joined = ",".join(parts[:size])
            if Path(joined).exists():
                break
        else:
            return None
        paths.append(joined)
        parts = parts[size:]
    return paths


def _ranks_file(path: Path) -> Path:
    file = path
    if path.is_dir():
        file = path / "ranks.parquet"
    elif path.suffix == ".json":
        file = path.with_suffix(".ranks.parquet")
    if not any(_with_further(file)):
        raise InputError(f"{path}: has no file of ranks ({file}); is the trial finished?")
    return file


def seeds(files: Sequence[Path]) -> list[int] | None:
    """The seeds of trials by their folders' names; None if any is of something else."""
    matches = [SEED.search(file.absolute().parent.name) for file in files]
    seeds = [int(match[1]) for match in matches if match is not None]
    return seeds if len(seeds) == len(files) else None


def is_trained(files: Sequence[Path]) -> bool:
    """Whether another seed could have made it another result: not those of a study that need no training."""
    return any(file.absolute().parent.parent.name != "baselines" for file in files)
