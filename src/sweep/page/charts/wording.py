"""What axes and headings say of a metric."""

from typing import Literal

from sweep.answer.contents import RatioCurve
from sweep.evaluation.metrics import METRICS, Metric
from sweep.evaluation.parts import label_of
from sweep.settings.metric_key import MetricKey

_BETTER = {"higher": "higher is better", "lower": "lower is better", "target": ""}
_UNITS = {"rank_distance": "ranks"}
_TARGETS = {"language_bias": "0: without bias"}
_SPELLED = {"lang. bias": "language bias", "mono mAP": "monolingual mAP", "cross mAP": "cross-lingual mAP"}
_UNKNOWN = 4


def key_of(text: str) -> MetricKey:
    """The key of a text with its benchmark or without it, or of a metric's bare name."""
    return MetricKey.parse("/" * max(0, 2 - text.count("/")) + text)


def registered(text: str) -> Metric | None:
    """The registry's entry for a key; None for what it lacks."""
    key = key_of(text)
    return next(
        (one for one in METRICS if one.name == key.metric and (key.family in one.families or not key.family)), None
    )


def digits_for(text: str) -> int:
    """Digits after the decimal point where there is room."""
    metric = registered(text)
    return _UNKNOWN if metric is None else metric.digits


def better_of(text: str) -> Literal["higher", "lower", "target"]:
    """Which way is better."""
    metric = registered(text)
    return "higher" if metric is None else metric.better


def metric_label(text: str) -> str:
    """A key in words, without its benchmark: "pooled mAP, low"; one that the registry lacks as it is."""
    key, metric = key_of(text), registered(text)
    if metric is None:
        return text
    part = f", {label_of(key.part)}" if key.part else ""
    label = f"{key.family} {metric.label}".strip()
    return f"{_SPELLED.get(label, label)}{part}"


def named(text: str) -> str:
    """A full key in words, as a caption begins: "Cross-lingual mAP, other script, on xquad_r"."""
    benchmark = key_of(text).benchmark.partition("+")[0]
    return capitalized(metric_label(text)) + (f", on {benchmark}" if benchmark else "")


def cell_label(text: str) -> str:
    """The metric of a matrix of languages, whose diagonal is of another family than the rest."""
    metric = registered(text)
    return text if metric is None else metric.label


def capitalized(text: str) -> str:
    """With a capital at its beginning, unless the first word has one further on, as mAP has."""
    first = text.split(" ", 1)[0]
    return text if first != first.lower() else text[:1].upper() + text[1:]


def heading(curve: RatioCurve) -> str:
    """The metric of a curve, spelled out."""
    title = curve.title or metric_label(key_of(curve.key).whole.name)
    return capitalized(_SPELLED.get(title, title))


def part_heading(curve: RatioCurve) -> str:
    """The same with its tier or group of pairs."""
    return f"{heading(curve)}, {label_of(curve.part)}" if curve.part else heading(curve)


def spelled_out(label: str) -> str:
    """The label of a metric in full words: "mono mAP" is short for monolingual mAP."""
    return _SPELLED.get(label, label)


def axis_title(curve: RatioCurve) -> str:
    """The metric, its unit, and which way is better."""
    metric = key_of(curve.key).metric
    hints = [hint for hint in (_UNITS.get(metric), _TARGETS.get(metric), _BETTER[curve.better]) if hint]
    name = heading(curve)
    return f"{name} ({', '.join(hints)})" if hints else name
