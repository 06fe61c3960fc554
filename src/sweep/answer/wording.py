"""Words for ratios, metrics, differences and p in the sentences of an answer."""

from collections.abc import Iterable, Sequence
from math import ceil

from sweep.answer.points import value_text
from sweep.evaluation.comparison import Comparison
from sweep.evaluation.families import COUNTS, FAMILIES
from sweep.evaluation.metrics import digits_of, metric_of
from sweep.evaluation.parts import BY_MODEL, RESOURCES
from sweep.evaluation.script_groups import LABELS as SCRIPT_LABELS
from sweep.settings.metric_key import MetricKey

KINDS = {1.0: "all-monolingual training", 0.0: "all-cross-lingual training"}
RIVALS = {
    "lir": ("lir", "no training"),
    "untouched": ("the untouched model", ""),
    "n-grams": ("character n-grams", "no training"),
}
_FAMILIES = {"mono": "monolingual", "cross": "cross-lingual"}
_NAMES = {
    "alignment_consistency": "alignment consistency",
    "rank_distance": "rank distance",
    "map_gap": "mAP gap",
    "language_bias": "language bias",
}
_SEEN = {
    "seen": "languages that were trained on",
    "unseen": "languages that were not trained on",
    BY_MODEL[0]: "languages that the pretrained model has read",
    BY_MODEL[1]: "languages that the pretrained model has not read",
}


def listed(items: Iterable[str], before_last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    *most, last = items
    return f"{', '.join(most)} {before_last} {last}" if most else last


def counted(number: int, noun: str) -> str:
    """ "1 seed", "5 seeds"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def alphas(ratios: Sequence[float]) -> str:
    """ "α = 0.25 and 0.5"."""
    return f"α = {listed(map(value_text, ratios))}"


def kind_of(ratio: float, more: str = "") -> str:
    """A ratio by what it means, and `more` on it: "all-monolingual training (α = 1; p = 0.3)"."""
    if ratio in KINDS:
        return f"{KINDS[ratio]} ({'; '.join(filter(None, (alphas([ratio]), more)))})"
    return alphas([ratio]) + (f" ({more})" if more else "")


def rival_name(name: str, more: str) -> str:
    """A baseline as a sentence calls it, and `more` on it: "lir (no training; p = 0.3)"."""
    words, kind = RIVALS.get(name, (name, ""))
    return f"{words} ({'; '.join(filter(None, (kind, more)))})"


def metric_words(key: MetricKey) -> str:
    """ "alignment consistency in low-resource languages"."""
    if key.family not in FAMILIES or key.metric in COUNTS:
        return key.name
    metric = metric_of(key)
    words = _NAMES.get(key.metric, metric.label)
    if len(metric.families) > 1:
        words = f"{_FAMILIES.get(key.family, key.family)} {words}"
    return words + _part_words(key)


def better_of(key: MetricKey) -> str | None:
    """Which way a metric is better: "higher", "lower" or "target"; None where nobody knows."""
    return metric_of(key).better if key.family in FAMILIES and key.metric not in COUNTS else None


def _part_words(key: MetricKey) -> str:
    part = key.part
    within = "with" if key.family == "cross" else "in"
    if not part:
        return ""
    if part in RESOURCES:
        return f" {within} {part}-resource languages"
    if part in _SEEN:
        return f" {within} {_SEEN[part]}"
    if part in SCRIPT_LABELS:
        return f" between languages in {'the same script' if part == 'same_script' else 'different scripts'}"
    from sweep.data.english import english_name  # reads the names of all languages

    first, _, second = part.partition("-")
    if not second:
        return f" in {english_name(first)}"
    if key.family == "cross":
        return f" for {english_name(first)} questions and {english_name(second)} passages"
    return f" between {english_name(first)} and {english_name(second)}"


def benchmark_words(name: str) -> str:
    """A benchmark; of one half of its questions, that it is the one that nothing was chosen by."""
    whole, _, half = name.partition("+")
    return f"the half of {whole} that nothing was chosen by" if half == "report" else name


def digits(key: MetricKey) -> int:
    """Digits after the decimal point: those of the tables of intervals."""
    return max(0, digits_of(key) - 1)


def difference_words(one: Comparison, places: int) -> str:
    """ "+0.112 [+0.081, +0.143], p < 0.001"."""
    low, high = one.interval
    return f"{signed(one.difference, places)} [{signed(low, places)}, {signed(high, places)}], {p_words(one.p_holm)}"


def signed(value: float, places: int) -> str:
    """With a sign, and a real minus."""
    return f"{value:+.{places}f}".replace("-", "−")


def figure_words(value: float, places: int) -> str:
    """A figure, with a real minus if it is below 0."""
    return f"{value:.{places}f}".replace("-", "−")


def size_words(value: float, places: int) -> str:
    """A size above 0, with more digits where it would be 0 without."""
    text = f"{value:.{places}f}"
    return text if float(text) else f"{value:.1g}"


def at_most_p(p: float) -> str:
    """ "p < 0.001", "p ≤ 0.041": of the largest of several."""
    return p_words(p) if p < 0.001 else f"p ≤ {ceil(1000 * p) / 1000:.3f}"


def p_words(p: float) -> str:
    """ "p < 0.001", "p = 0.012"; with a digit more near .05, so that rounding moves it to neither side."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.4f}" if 0.0495 <= p < 0.0505 else f"p = {p:.3f}"
