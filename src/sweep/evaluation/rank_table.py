"""What of a file of ranks comparisons look at: values by cell and group, and each question's worst rank.

Shapes: l = languages, g = translation groups, c = cells.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.evaluation.cells import CellTable, rank_cells
from sweep.evaluation.halves import of_half
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.ranking import PAD, Ranking
from sweep.settings.metric_key import Half


@dataclass(frozen=True, eq=False)
class WorstRanks:
    """Of every question (language, group) the worst rank of its relevant passages in the pool of all languages, 0
    where there is no such question or no such passage, and the place of that passage's language."""

    rank_lg: NDArray[np.int32]
    language_lg: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class RankTable:
    """One evaluation. `groups` are those that count, `asked` all that the file has; the values of `cells` have the
    order of `groups`. `worst` is None where languages are not ranked together. `wanted`: the metrics that it was read
    for, None for all."""

    benchmark: str
    languages: tuple[str, ...]
    groups: tuple[str, ...]
    asked: tuple[str, ...]
    tiers: dict[str, frozenset[str]]
    cells: CellTable
    worst: WorstRanks | None
    wanted: frozenset[tuple[str, str]] | None = None

    def sharing(self, known: dict[tuple[str, ...], tuple[str, ...]]) -> "RankTable":
        """The same with those groups' names that are in memory already; its own are added to them."""
        groups, asked = (known.setdefault(names, names) for names in (self.groups, self.asked))
        return replace(self, groups=groups, asked=asked)

    @property
    def nbytes(self) -> int:
        """Memory of the values."""
        ranks = self.worst.rank_lg.nbytes + self.worst.language_lg.nbytes if self.worst is not None else 0
        return ranks + sum(cells.value_cg.nbytes for cells in self.cells.values())


def read_rank_table(
    file: Path, half: Half | None = None, only: Collection[tuple[str, str]] | None = None
) -> RankTable:
    """Read a file of ranks. `half`: only its questions count; `only`: no other metrics (family, metric) than these.
    Raises InputError if the file is damaged, or is none of ours."""
    ranking, tiers = read_ranking(file)
    counted = ranking if half is None else of_half(ranking, half)
    cells = rank_cells(counted, only)[0]
    return RankTable(
        benchmark=ranking.benchmark,
        languages=ranking.languages,
        groups=counted.groups,
        asked=ranking.groups,
        tiers=tiers,
        cells=cells,
        worst=_worst(counted),
        wanted=None if only is None else frozenset(only),
    )


def check_seeds(files: Sequence[Path], tables: Sequence[RankTable]) -> None:
    """Raise InputError if the tables of these files are not of the same questions, or do not have the same tiers."""
    for file, other in zip(files[1:], tables[1:], strict=True):
        first = tables[0]
        if (other.benchmark, other.languages, other.asked) != (first.benchmark, first.languages, first.asked):
            raise InputError(
                f"{file} and {files[0]} are not of the same questions, so they are no seeds of one system"
            )
        if other.tiers != first.tiers:
            differing = differing_tiers(first.tiers, other.tiers)
            raise InputError(f"{file} and {files[0]} differ in their tiers: {differing}")


def differing_tiers(tiers: Mapping[str, frozenset[str]], others: Mapping[str, frozenset[str]]) -> str:
    """Such as "unseen is th, or th tr"."""
    names = sorted(name for name in tiers.keys() | others.keys() if tiers.get(name) != others.get(name))
    texts = [[" ".join(sorted(each.get(name, ()))) or "none" for each in (tiers, others)] for name in names]
    return "; ".join(f"{name} is {' or '.join(text)}" for name, text in zip(names, texts, strict=True))


def _worst(ranking: Ranking) -> WorstRanks | None:
    if ranking.pooled is None:
        return None
    rank_qr = ranking.pooled.rank_qr
    place_q = rank_qr.argmax(1)  # padding is 0, below any rank
    rows = np.arange(len(rank_qr))
    rank_lg = np.full((len(ranking.languages), len(ranking.groups)), PAD, np.int32)
    language_lg = np.full(rank_lg.shape, -1, np.int16)
    rank_lg[ranking.language_q, ranking.group_q] = rank_qr[rows, place_q]
    language_lg[ranking.language_q, ranking.group_q] = ranking.relevant_language_qr[rows, place_q]
    return WorstRanks(rank_lg, language_lg)
