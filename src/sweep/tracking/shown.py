"""What of a trial is shown in tables of runs: its headline metrics, the parameters that people ask for, its name."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sweep.answer.points import value_text
from sweep.answer.ratios import RATIO
from sweep.evaluation.columns import EVALUATION, RESULTS
from sweep.records.trial_record import TrialRecord
from sweep.settings.metric_key import MetricKey
from sweep.settings.tracking import Shown
from sweep.study.point import Point

LONGEST_NAME = 40  # characters: what the column of a table of runs shows
MOST_KEYS = 1 << 16  # of metrics that are looked at once: a trial has thousands, and every trial has the same
OF_EVERY_BENCHMARK = frozenset(column.name for column in (*RESULTS, *EVALUATION))
BY_TIER = frozenset(("mono/map", "cross/map", "pooled/map", "pooled/alignment_consistency", "pooled/rank_distance"))
TIERS = frozenset(("high", "mid", "low", "seen", "unseen"))
ROUNDED_TIERS = "pooled/alignment_consistency"
# Paths of a trial's configuration, as far as it has them; what is searched comes before them.
PARAMETERS = (
    RATIO, "ratio.schedule", "ratio.cross_batch", "ratio.draw", "seed",
    "model.kind", "model.path", "model.revision", "model.layers", "model.dimensions", "model.pooling",
    "model.lora.rank",
    "data.kind", "data.path", "data.name", "languages.train",
    "evaluation.kind", "evaluation.path", "evaluation.name", "evaluation.candidates",
    "train.steps", "train.batch_size", "train.learning_rate", "train.warmup_steps", "train.hard_negatives",
    "train.temperature", "train.precision", "loss.kind",
    "loss.temperatures.monolingual", "loss.temperatures.cross_lingual",
    "loss.weight", "loss.reverse_weight", "loss.divergence_weight", "loss.target", "loss.pivot", "loss.teacher",
    "loss.penalty", "loss.directions", "loss.momentum",
)  # fmt: skip


def headline(metrics: Mapping[str, float], objectives: Iterable[str], shown: Shown = "headline") -> dict[str, float]:
    """The metrics that are logged: of the first benchmark the columns of tables and the main figures by tier, of the
    other ones and of the half that is reported the columns, and the objectives; or all. The rest is in a file."""
    if shown == "all" or not metrics:
        return dict(metrics)
    first, asked = _first_benchmark(metrics), set(objectives)
    return {key: value for key, value in metrics.items() if key in asked or _is_headline(key, first)}


def _first_benchmark(metrics: Iterable[str]) -> str:
    return next((MetricKey.parse(key).benchmark.partition("+")[0] for key in metrics), "")


@lru_cache(MOST_KEYS)
def _is_headline(text: str, first: str) -> bool:
    key = MetricKey.parse(text)
    benchmark, _, variant = key.benchmark.partition("+")
    if variant not in ("", "report"):
        return False
    if key.name in OF_EVERY_BENCHMARK:
        return True
    return not variant and benchmark == first and key.whole.name in BY_TIER and key.part in TIERS


def parameters(record: TrialRecord, config: Mapping[str, Any]) -> dict[str, Any]:
    """What was searched, and what a reader asks for, by config path; every setting is in the trial's config.yaml."""
    listed = {path: config[path] for path in PARAMETERS if config.get(path) not in (None, [], {})}
    return {**record.parameters, **{path: value for path, value in listed.items() if path not in record.parameters}}


def tier_tags(metrics: Mapping[str, float]) -> dict[str, str]:
    """The alignment by tier, rounded: narrow columns for a table."""
    first = _first_benchmark(metrics)
    tiers = {key: tier for key in metrics if (tier := _rounded_tier(key, first)) is not None}
    return {f"alignment.{tier}": f"{metrics[key]:.3f}" for key, tier in tiers.items()}


@lru_cache(MOST_KEYS)
def _rounded_tier(text: str, first: str) -> str | None:
    key = MetricKey.parse(text)
    return key.part if key.benchmark == first and key.whole.name == ROUNDED_TIERS and key.part in TIERS else None


def point_key(record: TrialRecord) -> str:
    """The key of a trial's point among the runs: that of the trial without its seed."""
    return f"point {Point(record.parameters, 0).key.removesuffix('seed=0').rstrip(',')}".rstrip()


def point_name(values: Mapping[str, Any]) -> str:
    """A name for a table: `α=0.25`, with what else is searched as far as there is room."""
    return _fitting(list(_texts(values))) or "the only point"


def trial_name(record: TrialRecord) -> str:
    """Such as `α=0.25 · s0`, which sort by ratio and then by seed."""
    seed = f"s{record.seed}"
    texts = list(_texts(record.parameters))
    return f"{_fitting(texts, LONGEST_NAME - len(seed) - 3)} · {seed}" if texts else seed


def _texts(values: Mapping[str, Any]) -> Iterator[str]:
    if RATIO in values:
        yield f"α={value_text(values[RATIO])}"
    shortest = _short_paths(path for path in values if path != RATIO)
    for path, short in shortest.items():
        yield f"{short}={value_text(values[path])}"


def _short_paths(paths: Iterable[str]) -> dict[str, str]:
    """The last word of each path, or the whole path where two end in the same one."""
    listed = sorted(paths)
    last = [path.rpartition(".")[2] for path in listed]
    return {path: (word if last.count(word) == 1 else path) for path, word in zip(listed, last, strict=True)}


def _fitting(texts: list[str], room: int = LONGEST_NAME) -> str:
    joined = " ".join(texts)
    return joined if len(joined) <= room else f"{joined[: room - 1]}…"
