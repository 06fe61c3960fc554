"""The files of an evaluation: metrics and intervals of all benchmarks together, and the ranks of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def further_ranks(ranks: Path, benchmark: str) -> Path:
    """Where the ranks of a further benchmark lie, beside those of the first one: ranks.mlqa_r.parquet."""
    return ranks.with_name(f"{ranks.stem}.{benchmark}{ranks.suffix}")


def rank_files(ranks: Path) -> Iterator[Path]:
    """The files of ranks that are there, that of the first benchmark first; none of embeddings that have the language
    removed."""
    if ranks.exists():
        yield ranks
    start = f"{ranks.stem}."
    for file in sorted(ranks.parent.iterdir()) if ranks.parent.is_dir() else ():
        is_further = file != ranks and file.name.startswith(start) and file.suffix == ranks.suffix
        if is_further and "+" not in file.name.removeprefix(start):
            yield file


@dataclass(frozen=True)
class ResultFolder:
    """Paths of one evaluation's files."""

    path: Path

    @property
    def metrics(self) -> Path:
        """All metrics by key."""
        return self.path / "metrics.json"

    @property
    def details(self) -> Path:
        """Intervals of the metrics, and how they came about."""
        return self.path / "evaluation.json"

    @property
    def ranks(self) -> Path:
        """The ranks of every question of the first benchmark."""
        return self.path / "ranks.parquet"

    def ranks_of(self, benchmark: str) -> Path:
        """The ranks of every question of a benchmark: a file of its own if it is a further one."""
        further = further_ranks(self.ranks, benchmark)
        return further if further.exists() else self.ranks

    @property
    def measured(self) -> list[Path]:
        """The files that are there."""
        files = (self.metrics, self.details, *rank_files(self.ranks))
        return [file for file in files if file.exists()]

    @property
    def weights(self) -> Path:
        """The trained encoder's weights, while merges of the study need them."""
        return self.path / "weights"

    @property
    def borrowed(self) -> Path:
        """Of a merge while it runs: weights of its parents that another machine trained, in a folder each."""
        return self.path / "borrowed"
