"""Names of the metrics (METRICS, section 7), to check an objective before any trial runs."""

from collections.abc import Collection

QUALITY = ("map", "recall@1", "recall@10", "recall@100", "mrr@10")
ALIGNMENT = ("alignment_consistency", "rank_distance", "language_preference", "same_language@1")
COUNTS = (
    "questions",
    "left_out",
)  # questions that count, and questions without a relevant passage in the pool
FAMILIES = {
    "mono": (*QUALITY, *COUNTS),
    "cross": (*QUALITY, *COUNTS),
    "pooled": (*QUALITY, *ALIGNMENT, *COUNTS),
}


def metric_problem(key: str, benchmark: str, languages: Collection[str], tiers: Collection[str]) -> str | None:
    """What is wrong with a metric key for this benchmark in these languages and non-empty tiers, or None."""
    parts = key.split("/")
    if parts[0] != benchmark:
        return f"'{key}' is not a metric of the benchmark '{benchmark}'; it must start with '{benchmark}/'"
    if len(parts) < 3 or parts[1] not in FAMILIES:
        return f"'{key}': the second part must be one of {', '.join(FAMILIES)}, followed by a metric"
    if parts[2] not in FAMILIES[parts[1]]:
        return f"'{key}': metrics of {parts[1]} are {', '.join(FAMILIES[parts[1]])}"
    if len(parts) > 4:
        return f"'{key}' has too many parts; a language, a pair such as en-de, or a tier ends it"
    if parts[1] == "cross":
        cells = [f"{asked}-{answered}" for asked in languages for answered in languages if asked != answered]
    else:
        cells = list(languages)
    if parts[1] == "cross" and not cells:
        return f"'{key}': a single language has no cross-lingual pools"
    if len(parts) == 4 and parts[3] not in (*cells, *tiers):
        kind = "pair" if parts[1] == "cross" else "language"
        examples = ", ".join(cells[:3])
        return (
            f"'{key}': there is no tier or {kind} '{parts[3]}'; tiers are {', '.join(tiers)}; {kind}s {examples} ..."
        )
    return None
