"""What an evaluation gives, and its files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sweep.evaluation.cells import searched_metrics
from sweep.evaluation.families import POOLS
from sweep.evaluation.language_removal import Removal
from sweep.evaluation.metrics import metrics_of
from sweep.evaluation.rank_file import write_ranking
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.summarise import Evaluated, Intervals, Metrics
from sweep.records.files import write_atomically
from sweep.records.results import further_ranks
from sweep.settings import Debias
from sweep.settings.metric_key import MetricKey

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation gives: figures, the ranks that they come from, and what a reader must know about them."""

    evaluated: Evaluated
    ranking: Ranking
    tiers: dict[str, frozenset[str]]
    truncated: dict[str, int]  # texts longer than the model's limit, of "query" and "passage"
    debiased: Mapping[Debias, "Debiased"] = field(default_factory=dict)

    @property
    def plain(self) -> "Evaluation":
        """The same without those that have the language removed."""
        return replace(self, debiased={})

    @property
    def metrics(self) -> Metrics:
        """All figures, those with the language removed under `<benchmark>+<method>/...`."""
        return self._with_debiased(lambda evaluation: evaluation.evaluated.metrics)

    @property
    def intervals(self) -> Intervals:
        """The intervals of `metrics`, as far as these are means."""
        return self._with_debiased(lambda evaluation: evaluation.evaluated.intervals)

    def _with_debiased(self, part: Callable[["Evaluation"], dict[str, T]]) -> dict[str, T]:
        every = dict(part(self))
        for method, other in self.debiased.items():
            for key, value in part(other.evaluation).items():
                parsed = MetricKey.parse(key)
                every[str(parsed.on(f"{parsed.benchmark}+{method}"))] = value
        return every

    def write_ranks(self, file: Path) -> None:
        """Write the ranks. Each method of removing the language has a file of them beside, such as
        ranks+lir.parquet."""
        write_ranking(file, self.ranking, self.tiers)
        for method, other in self.debiased.items():
            beside = file.with_name(f"{file.stem}+{method}{file.suffix}")
            write_ranking(beside, other.evaluation.ranking, self.tiers)

    def process(self) -> dict[str, Any]:
        """How the figures came about, for a JSON file."""
        return {
            "search": asdict(self.ranking.search),
            "not_computed": self._not_computed(),
            "truncated": self.truncated,
        }

    def _not_computed(self) -> list[str]:
        known = searched_metrics(self.ranking)
        return [metric.name for metric in metrics_of("mono") if metric.name not in known]

    def notes(self) -> list[str]:
        """What was left out or cut, one sentence each."""
        notes = []
        for role, count in self.truncated.items():
            if count:
                notes.append(f"{count:,} distinct {role} texts are longer than model.max_{role}_tokens and were cut.")
        keys = [MetricKey(self.ranking.benchmark, family, "left_out") for family in POOLS]
        left_out = int(sum(self.evaluated.metrics.get(str(key), 0) for key in keys))
        if left_out:
            notes.append(f"Left out, having no relevant passage in the pool: {left_out:,} questions over all pools.")
        search = self.ranking.search
        if search.depth is not None:
            quality = (
                "all passages compared" if search.index == "flat" else "approximate: some passages may be missed"
            )
            notes.append(f"Searched to depth {search.depth:,} with FAISS {search.index} ({quality}).")
        if self._not_computed():
            notes.append(f"Not computed, needing more depth than was searched: {', '.join(self._not_computed())}.")
        return notes


@dataclass(frozen=True, eq=False)
class Outcome:
    """The evaluations of one retriever by the names of their benchmarks. The `first` benchmark is the study's
    `evaluation`; not everything has been evaluated on it."""

    first: str
    evaluations: Mapping[str, Evaluation]

    @property
    def metrics(self) -> Metrics:
        """All figures side by side: their keys begin with the benchmark."""
        return {key: value for one in self.evaluations.values() for key, value in one.metrics.items()}

    @property
    def evaluated(self) -> Evaluated:
        """The figures of all benchmarks with their intervals; none with the language removed."""
        every = [one.evaluated for one in self.evaluations.values()]
        return Evaluated(
            {key: value for one in every for key, value in one.metrics.items()},
            {key: value for one in every for key, value in one.intervals.items()},
        )

    def write(self, metrics: Path, details: Path, ranks: Path) -> None:
        """Write the files of the evaluations; the metrics last, so that where they are the others are too. Each
        benchmark but the first one has a file of ranks with its name, such as ranks.mlqa_r.parquet."""
        for name, file in self.rank_files(ranks).items():
            self.evaluations[name].write_ranks(file)
        write_atomically(details, json.dumps(self.details(), indent=1))
        write_atomically(metrics, json.dumps(self.metrics, indent=1))

    def rank_files(self, ranks: Path) -> dict[str, Path]:
        """Where the ranks of each benchmark go, if those of the first one go to `ranks`."""
        return {name: ranks if name == self.first else further_ranks(ranks, name) for name in self.evaluations}

    def details(self) -> dict[str, Any]:
        """Everything but the metrics and the ranks, for a JSON file: the intervals of all benchmarks, and how the
        figures came about of the first one, and under `benchmarks` of the further ones."""
        every = {name: one.process() for name, one in self.evaluations.items()}
        intervals = {key: value for one in self.evaluations.values() for key, value in one.intervals.items()}
        first = every.pop(self.first, {})
        return {"intervals": intervals, **first, **({"benchmarks": every} if every else {})}

    def notes(self) -> list[str]:
        """What was left out or cut, one sentence each, with the benchmark before it where there are several."""
        if len(self.evaluations) == 1:
            return [note for one in self.evaluations.values() for note in one.notes()]
        return [f"{name}: {note}" for name, one in self.evaluations.items() for note in one.notes()]


@dataclass(frozen=True, eq=False)
class Debiased:
    """An evaluation of embeddings without their language, and what removed it."""

    evaluation: Evaluation
    removal: Removal
