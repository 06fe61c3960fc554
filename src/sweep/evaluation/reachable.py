"""Which cells a benchmark has figures of: those in which a question has something to be scored by.

A benchmark may have questions in languages without passages, and pairs of languages of which nothing is parallel.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations, permutations, product

from sweep.data.benchmark import Benchmark
from sweep.evaluation.families import COUNTS
from sweep.settings.metric_key import MetricKey

Cells = tuple[str, ...]
Pairs = set[tuple[str, str]]


def reachable_cells(benchmark: Benchmark) -> Mapping[str, Cells]:
    """The cells of each family, in the benchmark's order of languages; under "family/metric" those of metrics and
    counts that have other ones."""
    codes, language_d = benchmark.languages, benchmark.passages.language_d
    answered_in: dict[str, dict[str, set[str]]] = defaultdict(dict)  # group -> language of a question -> of passages
    for question, rows in zip(benchmark.questions, benchmark.relevant_q, strict=True):
        answered_in[question.group][question.language] = {codes[place] for place in set(language_d[rows].tolist())}
    answered: Pairs = set()  # of question and passage
    translated: Pairs = set()
    gaps: Pairs = set()
    agreeing: Pairs = set()
    for group in answered_in.values():
        answered |= {(asked, code) for asked, in_languages in group.items() for code in in_languages}
        translated |= set(permutations(group, 2))
        gaps |= {(asked, code) for asked, others in group.items() for code in others if code in group.get(code, ())}
        agreeing |= set(permutations([asked for asked, in_languages in group.items() if in_languages], 2))
    questions = tuple(code for code in codes if any(code in group for group in answered_in.values()))
    with_passages = benchmark.passage_languages
    pooled = tuple(code for code in codes if any(code == asked for asked, _ in answered))
    counts = {
        "mono": tuple(code for code in questions if code in with_passages),
        "cross": _named(permutations(codes, 2), set(product(questions, with_passages))),
        "pooled": questions,
    }
    return {f"{family}/{count}": cells for family, cells in counts.items() for count in COUNTS} | {
        "mono": tuple(code for code in codes if (code, code) in answered),
        "cross": _named(permutations(codes, 2), answered),
        "cross/map_gap": _named(permutations(codes, 2), gaps),
        "pooled": pooled,
        "pooled/same_language@1": tuple(code for code in pooled if code in with_passages and len(with_passages) > 1),
        "agreement": _named(combinations(codes, 2), agreeing),
        "geometry": _named(combinations(codes, 2), translated),
        "geometry/uniformity": questions,
        "geometry/language_probe": questions,
    }


def _named(pairs: Iterable[tuple[str, str]], kept: Pairs) -> Cells:
    return tuple("-".join(pair) for pair in pairs if pair in kept)


def cells_of(cells: Mapping[str, Cells], key: MetricKey) -> Cells:
    """Those of a key's metric."""
    return cells.get(f"{key.family}/{key.metric}", cells[key.family])
