"""Names of the metrics, light enough to check an objective before anything heavy is imported (METRICS, section 7)."""

TIERS = ("high", "mid", "low", "seen", "unseen")
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


def metric_problem(key: str, benchmark: str) -> str | None:
    """What is wrong with a metric key for this benchmark, or None. Languages in the last part are not checked."""
    parts = key.split("/")
    if parts[0] != benchmark:
        return f"'{key}' is not a metric of the benchmark '{benchmark}'; it must start with '{benchmark}/'"
    if len(parts) < 3 or parts[1] not in FAMILIES:
        return f"'{key}': the second part must be one of {', '.join(FAMILIES)}, followed by a metric"
    if parts[2] not in FAMILIES[parts[1]]:
        return f"'{key}': metrics of {parts[1]} are {', '.join(FAMILIES[parts[1]])}"
    if len(parts) > 4:
        return f"'{key}' has too many parts; a language, a pair such as en-de, or a tier ends it"
    return None
