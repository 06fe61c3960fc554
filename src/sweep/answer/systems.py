"""Files of ranks, read once: what comparisons need of them is kept while a file is as it was.

A study that runs writes its report again and again, each time from all files of ranks; only those of new trials are
read. Memory is bounded: what was looked at longest ago goes, and is read again when it is asked for.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from sweep.answer.points import PointRow
from sweep.evaluation.comparison import Figure, System, system_of
from sweep.evaluation.figures import question_figures
from sweep.evaluation.rank_table import RankTable, read_rank_table
from sweep.records.folder import StudyFolder
from sweep.settings.metric_key import Half, MetricKey

MOST_BYTES = 512 << 20  # of values; a trial on XQuAD-R, with 11 languages and 1,190 groups, has 2 MiB
# Of the metrics that a report shows; of others only what somebody asks for is kept.
SHOWN = frozenset(
    {
        ("mono", "map"),
        ("cross", "map"),
        ("pooled", "map"),
        ("pooled", "alignment_consistency"),
        ("pooled", "rank_distance"),
        ("pooled", "language_bias"),
        ("mono", "ndcg@10"),
        ("mono", "recall@100"),
    }
)

Stamp = tuple[int, int]  # time of change in ns, size in bytes


@dataclass
class _Kept:
    stamp: Stamp
    table: RankTable
    figures: dict[str, Figure | None] = field(default_factory=dict)


class Systems:
    """The files of ranks of one study. Several threads may ask."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.read = 0  # how often a file was read
        # Question and passage by benchmark and by group, language, and passage's language; None: cannot be had.
        self.texts: dict[str, dict[tuple[str, str, str], tuple[str, str] | None]] = {}
        self._most_bytes = most_bytes
        self._metrics: frozenset[tuple[str, str]] = SHOWN
        self._kept: OrderedDict[tuple[Path, Half | None], _Kept] = OrderedDict()
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._systems: dict[tuple[str | Path | None, ...], System] = {}
        self._lock = RLock()

    def wants(self, metrics: Iterable[str]) -> None:
        """Keep these metrics (keys), too, so that no file is read twice for them."""
        keys = [MetricKey.parse(metric) for metric in metrics]
        with self._lock:
            self._metrics |= {(key.family, key.metric) for key in keys}

    def table(self, file: Path, half: Half | None = None) -> RankTable:
        """What a file has. Raises InputError if it is missing, damaged, or none of ours."""
        return self._entry(file, half).table

    def of_point(
        self, folder: StudyFolder, name: str, point: PointRow, benchmark: str, half: Half | None = None
    ) -> System:
        """A point's trials as one system. Raises InputError as `table` and `system_of` do."""
        files = [folder.trial(record.key).ranks_of(benchmark) for record in point.records]
        return self._system(name, files, half, [record.seed for record in point.records])

    def baselines(self, folder: StudyFolder, benchmark: str, half: Half | None = None) -> dict[str, System]:
        """What needs no training and has ranks on a benchmark, by name. Raises InputError for a damaged file."""
        return {
            name: system
            for name, file in self._baseline_files(folder, benchmark).items()
            if (system := self._system(name, [file], half)).benchmark == benchmark
        }

    def baseline_figures(
        self, folder: StudyFolder, benchmark: str, metrics: Collection[str], half: Half | None = None
    ) -> dict[str, Mapping[str, Figure]]:
        """The figures of every baseline by their keys, as far as it has them, with intervals over questions."""
        files = self._baseline_files(folder, benchmark)
        figures = {name: self.figures(file, benchmark, metrics, half) for name, file in files.items()}
        return {name: of_baseline for name, of_baseline in figures.items() if of_baseline}

    def figures(
        self, file: Path, benchmark: str, metrics: Collection[str], half: Half | None = None
    ) -> dict[str, Figure]:
        """Figures of one evaluation, with intervals over questions, by those keys that it has; empty for a file of
        another benchmark. They are computed once, too."""
        entry = self._entry(file, half)
        if entry.table.benchmark != benchmark:
            return {}
        missing = [metric for metric in metrics if metric not in entry.figures]
        if missing:
            system = system_of(file.parent.name, [file], [entry.table])
            computed = question_figures(system, missing)
            entry.figures |= {metric: computed.get(metric) for metric in missing}
        known = {metric: entry.figures[metric] for metric in metrics}
        return {metric: figure for metric, figure in known.items() if figure is not None}

    def _system(
        self, name: str, files: Sequence[Path], half: Half | None, seeds: Sequence[int] | None = None
    ) -> System:
        """The same one while its files are as they were; without seeds, of what was not trained."""
        tables = [self.table(file, half) for file in files]
        known = self._systems.get((name, half, *files))
        if known is None or {id(cells) for cells in known.tables} != {id(table.cells) for table in tables}:
            known = self._systems[name, half, *files] = system_of(name, files, tables, seeds, seeds is not None)
        return known

    @staticmethod
    def _baseline_files(folder: StudyFolder, benchmark: str) -> dict[str, Path]:
        files = {name: baseline.ranks_of(benchmark) for name, baseline in folder.baselines().items()}
        return {name: file for name, file in files.items() if file.exists()}

    def _entry(self, file: Path, half: Half | None) -> _Kept:
        with self._lock:
            stamp, kept = _stamp(file), self._kept.get((file, half))
            if kept is None or kept.stamp != stamp or not self._has_all(kept.table):
                kept = _Kept(stamp, self._read(file, half))
                self._kept[file, half] = kept
                self._forget()
            self._kept.move_to_end((file, half))
            return kept

    def _has_all(self, table: RankTable) -> bool:
        """Whether the file was read when all of the metrics were wanted already."""
        return table.wanted is None or self._metrics <= table.wanted

    def _read(self, file: Path, half: Half | None) -> RankTable:
        self.read += 1
        table = read_rank_table(file, half, self._metrics)
        return table.sharing(self._groups)

    def _forget(self) -> None:
        size = sum(kept.table.nbytes for kept in self._kept.values())
        while size > self._most_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.table.nbytes
            self._systems.clear()  # they hold it, too


def has_ranks(folder: StudyFolder, point: PointRow, benchmark: str) -> bool:
    """Whether the files of ranks of all of a point's trials are there; an earlier version did not write any."""
    files: Sequence[Path] = [folder.trial(record.key).ranks_of(benchmark) for record in point.records]
    return all(file.exists() for file in files)


def _stamp(file: Path) -> Stamp:
    try:
        state = file.stat()
    except OSError:
        return (0, 0)  # reading it will say what is wrong
    return state.st_mtime_ns, state.st_size
