"""What is measured: every metric with its family of pools and its description, and the check of a metric's key."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

from sweep.evaluation import agreement, geometry, quality
from sweep.evaluation.cells import QUALITY, known_at
from sweep.settings import Protocol

FIELDS = ("Formula", "Range", "Better", "Source", "Pitfall")
# Questions that count, and questions without a relevant passage in the pool.
COUNTS = ("questions", "left_out")

_POOLS: dict[str, Callable[..., Any]] = {
    "map": quality.average_precision,
    "recall@1": quality.recall_at,
    "recall@10": quality.recall_at,
    "recall@100": quality.recall_at,
    "mrr@10": quality.reciprocal_rank_at,
    "ndcg@10": quality.ndcg_at,
}
FAMILIES: dict[str, dict[str, Callable[..., Any]]] = {
    "mono": _POOLS,
    "cross": _POOLS,
    "pooled": {
        **_POOLS,
        "alignment_consistency": quality.alignment_consistency,
        "rank_distance": quality.rank_distance,
        "language_preference": quality.prefers_own_language,
        "same_language@1": quality.same_language_first,
    },
    "agreement": {
        "rbo": agreement.rank_biased_overlap,
        "jaccard@10": agreement.jaccard,
        "agree_correct@1": agreement.both_correct,
    },
    "geometry": {
        "bitext_accuracy": geometry.bitext_accuracy,
        "mexa": geometry.mexa,
        "alignment_loss": geometry.alignment_loss,
        "uniformity": geometry.uniformity,
        "language_probe": geometry.language_probe,
    },
}
PARALLEL_ONLY = ("cross", "pooled", "agreement", "geometry")
BY_LANGUAGE = ("uniformity", "language_probe")  # of geometry; its others are by pair


@dataclass(frozen=True)
class Description:
    """What a metric's docstring says."""

    family: str
    metric: str
    summary: str
    fields: dict[str, str]


def descriptions() -> list[Description]:
    """All metrics in the order of METRICS; a metric of several families of pools comes once, with the families."""
    families: dict[str, list[str]] = {}
    functions: dict[str, Callable[..., Any]] = {}
    for family, metrics in FAMILIES.items():
        for metric, function in metrics.items():
            families.setdefault(metric, []).append(family)
            functions[metric] = function
    return [
        Description(", ".join(families[metric]), metric, *_parsed(function)) for metric, function in functions.items()
    ]


def _parsed(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Summary and fields of a metric's docstring: "Name: text" lines after the first paragraph."""
    summary, _, rest = (function.__doc__ or "").strip().partition("\n\n")
    fields: dict[str, str] = {}
    for line in rest.splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon and name in FIELDS:
            fields[name] = text
    return " ".join(summary.split()), fields


def metric_problem(
    key: str,
    benchmark: str,
    protocol: Protocol,
    languages: Collection[str],
    tiers: Collection[str],
    depth: int | None = None,
) -> str | None:
    """What is wrong with a metric key for this benchmark in these languages and non-empty tiers, searched to this
    depth (None: exact ranks), or None."""
    parts = key.split("/")
    families = [family for family in FAMILIES if protocol == "parallel" or family not in PARALLEL_ONLY]
    if parts[0] != benchmark:
        return f"'{key}' is not a metric of the benchmark '{benchmark}'; it must start with '{benchmark}/'"
    if len(parts) < 3 or parts[1] not in families:
        return f"'{key}': the second part must be one of {', '.join(families)}, followed by a metric"
    known = [*FAMILIES[parts[1]], *(COUNTS if parts[1] in ("mono", "cross", "pooled") else ())]
    if parts[2] not in known:
        return f"'{key}': metrics of {parts[1]} are {', '.join(known)}"
    if parts[2] in QUALITY and not known_at(parts[2], depth):
        return (
            f"'{key}' needs more depth than evaluation.search.depth={depth}; evaluation.search.index=exact has it all"
        )
    if len(parts) > 4:
        return f"'{key}' has too many parts; a language, a pair such as en-de, or a tier ends it"
    kind, cells = _cells(parts[1], parts[2], languages)
    if not cells:
        return f"'{key}': a single language has no pairs"
    if len(parts) == 4 and parts[3] not in (*cells, *tiers):
        examples = ", ".join(cells[:3])
        return (
            f"'{key}': there is no tier or {kind} '{parts[3]}'; tiers are {', '.join(tiers)}; {kind}s {examples} ..."
        )
    return None


def _cells(family: str, metric: str, languages: Collection[str]) -> tuple[str, list[str]]:
    if family == "cross":
        return "pair", [f"{asked}-{answered}" for asked, answered in permutations(languages, 2)]
    if family == "agreement" or (family == "geometry" and metric not in BY_LANGUAGE):
        return "pair", [f"{one}-{other}" for one, other in combinations(languages, 2)]
    return "language", list(languages)
