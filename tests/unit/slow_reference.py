"""The metrics of docs/metrics.md a second time: slow, in plain Python, from the definitions alone.

Nothing here comes from the package or from numpy, so that the two agree only if both follow the definitions.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations
from math import exp, log, log2, sqrt
from statistics import fmean

FIRST = 10
PERSISTENCE = 0.9
SCRIPTS = {"en": "Latin", "de": "Latin", "th": "Thai"}

Vector = list[float]
Values = dict[str, dict[str, list[float]]]  # family/metric -> language or pair -> one value a question or group


@dataclass
class Pool:
    """Questions and passages in any order. `scores` are by question and passage, `grades` by group and passage id."""

    languages: list[str]
    questions: list[tuple[str, str]]  # group, language
    passages: list[tuple[str, str, str]]  # id, language, unit ("": the passage itself)
    grades: dict[str, dict[str, int]]
    scores: list[Vector]
    protocol: str = "parallel"
    tiers: dict[str, set[str]] = field(default_factory=dict)

    def order(self, question: int, language: str | None = None) -> list[str]:
        """Passage ids of one language or all, best first, ties by id."""
        scored = zip(self.scores[question], self.passages, strict=True)
        return [id_ for _, id_ in sorted((-s, p[0]) for s, p in scored if language in (None, p[1]))]


def quality(order: list[str], grades: dict[str, int]) -> dict[str, float]:
    """Section 1 for one question, as a walk down its ranked list; at least one passage of the list is relevant."""
    hits, precisions, first, gain = 0, 0.0, 0, 0.0
    recalled = {1: 0, 10: 0, 100: 0}
    for rank, id_ in enumerate(order, start=1):
        if id_ not in grades:
            continue
        hits += 1
        precisions += hits / rank
        first = first or rank
        gain += grades[id_] / log2(rank + 1) if rank <= FIRST else 0.0
        for depth in recalled:
            recalled[depth] += rank <= depth
    ideal_order = sorted((grades[id_] for id_ in order if id_ in grades), reverse=True)
    ideal = sum(grade / log2(rank + 1) for rank, grade in enumerate(ideal_order[:FIRST], start=1))
    return {
        "map": precisions / hits,
        **{f"recall@{depth}": count / hits for depth, count in recalled.items()},
        "mrr@10": 1 / first if first <= FIRST else 0.0,
        "ndcg@10": gain / ideal,
    }


def alignment(pool: Pool, question: int, grades: dict[str, int]) -> dict[str, float]:
    """Section 2 for one question that has a relevant passage."""
    order = pool.order(question)
    language_of = {id_: language for id_, language, _ in pool.passages}
    own = pool.questions[question][1]
    ranks = [rank for rank, id_ in enumerate(order, start=1) if id_ in grades]
    best, worst, size = min(ranks), max(ranks), len(order)
    across: dict[str, float] = {}
    with_passages = {language for _, language, _ in pool.passages}
    if own in with_passages and len(with_passages) > 1:
        across["same_language@1"] = float(language_of[order[0]] == own)
    if len({language_of[id_] for id_ in grades}) == 1:
        return across
    consistency = 1.0 if len(ranks) == size else (log(size) - log(worst)) / (log(size) - log(len(ranks)))
    return across | {
        "alignment_consistency": consistency,
        "rank_distance": worst - best,
        "language_preference": float(language_of[order[best - 1]] == own),
        "unbiased_preference": sum(language_of[id_] == own for id_ in grades) / len(grades),
        "language_bias": float(language_of[order[best - 1]] == own)
        - sum(language_of[id_] == own for id_ in grades) / len(grades),
    }


def first_units(pool: Pool, question: int) -> list[str]:
    """The ranking as units, the first occurrence of each kept, as far as ten."""
    unit_of = {id_: unit or f"passage {id_}" for id_, _, unit in pool.passages}
    units: list[str] = []
    for id_ in pool.order(question):
        if unit_of[id_] not in units:
            units.append(unit_of[id_])
    return units[:FIRST]


def rank_biased_overlap(one: list[str], other: list[str]) -> float:
    """Truncated at depth 10, or where the lists end, and divided by what identical lists get."""
    total = most = 0.0
    for depth in range(1, len(one) + 1):
        weight = (1 - PERSISTENCE) * PERSISTENCE ** (depth - 1)
        total += weight * len(set(one[:depth]) & set(other[:depth])) / depth
        most += weight
    return total / most


def rank_values(pool: Pool) -> tuple[Values, dict[str, dict[str, int]]]:
    """Sections 1 to 3, and how many questions count and are left out, by family and cell."""
    values: Values = defaultdict(lambda: defaultdict(list))
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    language_of = {id_: language for id_, language, _ in pool.passages}
    row_of = {key: question for question, key in enumerate(pool.questions)}
    for question, (group, asked) in enumerate(pool.questions):
        everything = pool.grades.get(group, {})
        pools = [
            ("mono" if asked == c else "cross", asked if asked == c else f"{asked}-{c}", c)
            for c in pool.languages
            if c in language_of.values()
        ]
        for family, cell, answered in [*pools, ("pooled", asked, None)]:
            if pool.protocol == "monolingual" and family != "mono":
                continue
            grades = {id_: g for id_, g in everything.items() if answered in (None, language_of[id_])}
            counts[f"{family}/questions"][cell] += bool(grades)
            counts[f"{family}/left_out"][cell] += not grades
            if grades:
                found = quality(pool.order(question, answered), grades)
                found |= alignment(pool, question, grades) if family == "pooled" else {}
                translation = row_of.get((group, answered or ""))
                if family == "cross" and translation is not None:
                    found["map_gap"] = quality(pool.order(translation, answered), grades)["map"] - found["map"]
                for metric, value in found.items():
                    values[f"{family}/{metric}"][cell].append(value)
    if pool.protocol == "parallel":
        for cell, group, one, other in parallel_questions(pool.questions, pool.languages):
            if not pool.grades.get(group):
                continue
            rows = row_of[group, one], row_of[group, other]
            lists = [first_units(pool, row) for row in rows]
            union = set(lists[0]) | set(lists[1])
            values["agreement/rbo"][cell].append(rank_biased_overlap(*lists))
            values["agreement/jaccard@10"][cell].append(len(set(lists[0]) & set(lists[1])) / len(union))
            right = all(pool.order(row)[0] in pool.grades[group] for row in rows)
            values["agreement/agree_correct@1"][cell].append(float(right))
    return values, counts


def parallel_questions(questions: list[tuple[str, str]], languages: list[str]) -> Iterable[tuple[str, str, str, str]]:
    """Pair of languages, group and the two languages, for every two questions of one group."""
    for one, other in combinations(languages, 2):
        for group in sorted({group for group, _ in questions}):
            if (group, one) in questions and (group, other) in questions:
                yield f"{one}-{other}", group, one, other


def geometry_values(questions: list[tuple[str, str]], languages: list[str], vectors: list[Vector]) -> Values:
    """Section 4 without the probe. Uniformity has one value a language."""
    values: Values = defaultdict(lambda: defaultdict(list))
    vector_of = dict(zip(questions, vectors, strict=True))
    asked = {code: [group for group, language in questions if language == code] for code in languages}
    for cell, group, one, other in parallel_questions(questions, languages):
        x, y = vector_of[group, one], vector_of[group, other]
        there = all(cosine(x, y) > cosine(x, vector_of[g, other]) for g in asked[other] if g != group)
        back = all(cosine(x, y) > cosine(vector_of[g, one], y) for g in asked[one] if g != group)
        values["geometry/bitext_accuracy"][cell] += [float(there), float(back)]
        values["geometry/mexa"][cell].append(float(there and back))
        values["geometry/alignment_loss"][cell].append(squared_distance(x, y))
    for code in languages:
        pairs = list(combinations([vector_of[group, code] for group in asked[code]], 2))
        if pairs:
            kernel = fmean(exp(-2 * squared_distance(x, y)) for x, y in pairs)
            values["geometry/uniformity"][code].append(log(kernel))
    return values


def cosine(x: Vector, y: Vector) -> float:
    """Of vectors of any length."""
    return sum(a * b for a, b in zip(x, y, strict=True)) / sqrt(sum(a * a for a in x) * sum(b * b for b in y))


def squared_distance(x: Vector, y: Vector) -> float:
    return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))


def figures(values: Values, tiers: dict[str, set[str]]) -> dict[str, float]:
    """Means of the cells, and over cells: of all of them, of each tier that any cell belongs to (section 5), and of
    pairs in one script and in two."""
    means = {metric: {cell: fmean(found) for cell, found in cells.items()} for metric, cells in values.items()}
    return _by_tier(means, tiers, fmean)


def totals(counts: dict[str, dict[str, int]], tiers: dict[str, set[str]]) -> dict[str, float]:
    """Counts of the cells, and their sums."""
    return _by_tier({key: dict(cells) for key, cells in counts.items()}, tiers, sum)


def _by_tier(
    cells_of: dict[str, dict[str, float]], tiers: dict[str, set[str]], combine: Callable[[list[float]], float]
) -> dict[str, float]:
    result: dict[str, float] = {}
    for metric, cells in cells_of.items():
        result[metric] = combine(list(cells.values()))
        for tier, members in tiers.items():
            chosen = [value for cell, value in cells.items() if any(code in members for code in cell.split("-"))]
            if chosen:
                result[f"{metric}/{tier}"] = combine(chosen)
        for group, scripts in (("same_script", 1), ("other_script", 2)):
            pairs = {cell: {SCRIPTS[code] for code in cell.split("-")} for cell in cells if "-" in cell}
            chosen = [cells[cell] for cell, written in pairs.items() if len(written) == scripts]
            if chosen:
                result[f"{metric}/{group}"] = combine(chosen)
        result |= {f"{metric}/{cell}": value for cell, value in cells.items()}
    return result
