"""Families of metrics: what a metric looks at, and what has a figure of its own."""

from dataclasses import dataclass
from typing import Literal

from sweep.settings import Protocol

Cell = Literal["language", "ordered pair", "pair"]


@dataclass(frozen=True)
class Family:
    """Metrics that look at the same thing.

    Attributes:
        name: second part of a key.
        cell: what has a figure of its own: a question language ("en"), an ordered pair question-passage ("en-de"), or
            an unordered pair in the benchmark's order of languages.
        about: what its metrics look at.
        has_pools: whether questions are ranked in pools, so that some may be left out for want of a relevant passage.
        parallel_only: whether only benchmarks with parallel questions have it.
    """

    name: str
    cell: Cell
    about: str
    has_pools: bool = False
    parallel_only: bool = True


FAMILIES = {
    family.name: family
    for family in (
        Family("mono", "language", "questions in a language, passages in the same", True, parallel_only=False),
        Family("cross", "ordered pair", "questions in a language, passages in another", True),
        Family("pooled", "language", "questions in a language, passages of all languages together", True),
        Family("agreement", "pair", "the answers to a question and to its translation, in the pool of all languages"),
        Family("geometry", "pair", "the embeddings of parallel questions, without passages"),
    )
}
POOLS = ("mono", "cross", "pooled")
# Questions that count, and questions without a relevant passage in the pool: figures of every family with pools.
COUNTS = ("questions", "left_out")


def families_of(protocol: Protocol) -> list[str]:
    """The families that benchmarks of this protocol have."""
    return [name for name, family in FAMILIES.items() if protocol == "parallel" or not family.parallel_only]
