"""What is measured, from the registry: each metric's description, and the check of a metric's key."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations, groupby, permutations

from sweep.evaluation.families import COUNTS, FAMILIES, Cell, families_of
from sweep.evaluation.metrics import METRICS, Metric, metric_of, metrics_of
from sweep.evaluation.reachable import cells_of
from sweep.evaluation.script_groups import SCRIPT_GROUPS, script_group
from sweep.settings import Protocol
from sweep.settings.metric_key import MetricKey
from sweep.settings.wording import excerpt, suggestion

FIELDS = ("Formula", "Range", "Better", "Source", "Pitfall")


COUNTED = {
    "questions": "How many questions count: those with a relevant passage in the pool.",
    "left_out": "How many questions are left out of the means, since no passage of the pool is relevant to them.",
}
COUNT_FIELDS = {
    "Formula": "a sum over languages or pairs, where other figures are means",
    "Range": "0 to all questions",
    "Better": "neither",
    "Source": "this tool",
    "Pitfall": "figures of pools with different questions are not compared",
}


@dataclass(frozen=True)
class Description:
    """What a metric's docstring says; of several metrics, if they differ by their depth alone."""

    families: tuple[str, ...]
    metrics: tuple[str, ...]
    summary: str
    fields: dict[str, str]


def descriptions() -> list[Description]:
    """All metrics in the order of the registry."""
    described = []
    for _, alike in groupby(METRICS, lambda metric: (metric.function, metric.families)):  # recall at 1, 10 and 100
        metrics = list(alike)
        names = tuple(metric.name for metric in metrics)
        described.append(Description(metrics[0].families, names, *_parsed(metrics[0])))
    pools = tuple(name for name, family in FAMILIES.items() if family.has_pools)
    counts = (Description(pools, (name,), COUNTED[name], COUNT_FIELDS) for name in COUNTS)
    return [*described, *counts]


def _parsed(metric: Metric) -> tuple[str, dict[str, str]]:
    """Summary and fields of the docstring: "Name: text" lines after the first paragraph."""
    summary, _, rest = (metric.function.__doc__ or "").strip().partition("\n\n")
    fields: dict[str, str] = {}
    for line in rest.splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon and name in FIELDS:
            fields[name] = text
    return " ".join(summary.split()), fields


def markdown() -> str:
    """The metrics as docs/metrics.md has them: a section for each family or families, a paragraph for each metric."""
    lines: list[str] = []
    for families, described in groupby(descriptions(), lambda described: described.families):
        lines.append(f"### {', '.join(families)}\n")
        lines += [f"- `{family}`: {FAMILIES[family].about}" for family in families]
        lines.append("")
        for one in described:
            lines.append(f"**{', '.join(f'`{name}`' for name in one.metrics)}** {one.summary}\n")
            lines += [f"- {field}: {text}" for field, text in one.fields.items()]
            lines.append("")
    return "\n".join(lines)


def metric_problem(
    key: str,
    benchmark: str,
    protocol: Protocol,
    languages: Collection[str],
    tiers: Collection[str],
    depth: int | None = None,
    is_parallel: bool = True,
    reachable: Mapping[str, tuple[str, ...]] | None = None,
) -> str | None:
    """What is wrong with a metric key for this benchmark in these languages and non-empty tiers, searched to this
    depth (None: exact ranks; benchmarks with parallel questions always have these), or None. `is_parallel`: whether
    any question has relevant passages in two languages. `reachable`: the cells that it has figures of
    (`sweep.evaluation.reachable`), of which languages and pairs leave out some; None: all."""
    parsed, families = MetricKey.parse(key), families_of(protocol)
    if parsed.benchmark != benchmark:
        return f"'{excerpt(key)}' is not a metric of the benchmark '{benchmark}'; it must start with '{benchmark}/'"
    if parsed.family not in families or not parsed.metric:
        hint = suggestion(parsed.family, families)
        return f"'{excerpt(key)}': the second part must be one of {', '.join(families)}, followed by a metric{hint}"
    known = [metric.name for metric in metrics_of(parsed.family)]
    counts = COUNTS if FAMILIES[parsed.family].has_pools else ()
    if parsed.metric not in (*known, *counts):
        hint = suggestion(parsed.metric, [*known, *counts])
        return f"'{excerpt(key)}': metrics of {parsed.family} are {', '.join([*known, *counts])}{hint}"
    if protocol == "monolingual" and parsed.metric in known and not metric_of(parsed).known_at(depth):
        return f"'{key}' needs more depth than search.depth={depth} of '{benchmark}'; search.index=exact has it all"
    needs = metric_of(parsed).needs if parsed.metric in known else None
    if needs is not None and (len(languages) < 2 or (needs == "translations" and not is_parallel)):
        return f"'{key}': no question has relevant passages in two languages; {benchmark}/mono/map needs none"
    return _part_problem(parsed, languages, tiers, reachable)


def _part_problem(
    key: MetricKey,
    languages: Collection[str],
    tiers: Collection[str],
    reachable: Mapping[str, tuple[str, ...]] | None,
) -> str | None:
    if "/" in key.part:
        return f"'{key}' has too many parts; a language, a pair such as en-de, a tier or a group of pairs ends it"
    family = FAMILIES[key.family]
    kind = family.cell if key.metric in COUNTS else metric_of(key).cell_in(key.family)
    cells = _cells(kind, languages) if reachable is None else list(cells_of(reachable, key))
    if not cells and len(languages) < 2:
        return f"'{key}': a single language has no pairs"
    if not cells:
        return f"'{key}': no question of the benchmark has what it needs; {key.benchmark}/pooled/map needs least"
    grouped = {script_group(cell) for cell in cells}
    groups = [group for group in SCRIPT_GROUPS if group in grouped]
    if key.part and key.part not in (*cells, *tiers, *groups):
        noun = "language" if kind == "language" else "pair"
        examples, known = ", ".join(cells[:3]), ", ".join([*tiers, *groups])
        hint = suggestion(key.part, [*tiers, *groups])
        return f"'{key}': there is no tier or {noun} '{key.part}'; tiers are {known}; {noun}s {examples} ...{hint}"
    return None


def _cells(kind: Cell, languages: Collection[str]) -> list[str]:
    if kind == "language":
        return list(languages)
    pairs = permutations(languages, 2) if kind == "ordered pair" else combinations(languages, 2)
    return ["-".join(pair) for pair in pairs]
