"""What studies of earlier versions lack: settings that came later, and what stands for what these versions did."""

from collections.abc import Mapping
from typing import Any

from sweep.settings import JudgedEvaluation, Settings
from sweep.settings.base import flattened
from sweep.settings.loss import DEFAULT_LOSS
from sweep.settings.overrides import assignment
from sweep.settings.ratio import NO_SWITCH
from sweep.settings.reporting import DEFAULT_REPORT
from sweep.settings.untrained import UNTOUCHED

# Settings that earlier versions did not have, with the values that stand for what these versions did.
SINCE: dict[str, Any] = {
    "loss": DEFAULT_LOSS.model_dump(mode="json"),
    "report": DEFAULT_REPORT.model_dump(mode="json"),
    "evaluation": {"debias": [], "debias_on": "pool", "debias_pivot": None},
    "benchmarks": {},
    "launcher": {"accelerate_config": None},
    "train": {"fused_optimizer": False},
    "ratio": {
        "draw": "independent",
        "language_weights": {},
        "pair_weights": {},
        "source_weights": {},
        "few_rows": "smaller",
        "code_switch": NO_SWITCH.model_dump(mode="json"),
        "mix": "batches",
    },
    "study": {
        "near_copies": None,
        "select_on": "all",
        "confirm": None,
        "export_debias": None,
        "rerun_damaged": False,
        "artifacts": None,
        "scratch_baselines": False,
    },
}
_EMBEDDED: dict[str, Any] = {"relation": "names"}  # of data and evaluation, where these are of kind cldr
_SQUAD: dict[str, Any] = {"candidates": "auto", "misplaced_answers": 1.0}  # likewise: offsets were not looked at
_JUDGED: dict[str, Any] = {"ignore_identical_ids": False, "twins": "keep"}
# Of every loss, which earlier versions had, and had nothing of.
_BY_KIND = {name: DEFAULT_LOSS.model_dump(mode="json")[name] for name in ("temperatures", "weights")}
_PRETRAINED: dict[str, Any] = {"head": "none", "lower_case": False}
_OF_KIND = {
    "cldr": _EMBEDDED,
    "squad": _SQUAD,
    "miracl": _JUDGED,
    "beir": _JUDGED,
    "info_nce": _BY_KIND,
    "hf": {**_PRETRAINED, "trust_remote_code": False, "pretrained_on": None},
}
_READ = ("pooling", "query_prefix", "passage_prefix")  # what was no matter of the model's folder
_NEW_SECTIONS = ("loss",)  # whole or not at all: another kind of it has other fields


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A study's configuration with the settings that its version did not have; those it has stay as they are."""
    missing = {name: section for name, section in SINCE.items() if name not in config or name not in _NEW_SECTIONS}
    of_kind = {name: _of_kind(config.get(name)) for name in ("data", "evaluation", "model", "loss")}
    if of_kind["evaluation"] is _SQUAD:
        of_kind["evaluation"] = {**_SQUAD, "twins": "keep"}
    whole = _over(_over(missing, of_kind), config)
    study = whole["study"]
    if isinstance(study, Mapping) and "baseline" in study:
        rest = {name: value for name, value in study.items() if name != "baseline"}
        whole["study"] = rest | {"baselines": [UNTOUCHED] if study["baseline"] else []}
    return whole


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, section by section; where both have a value, the one above."""
    merged = dict(below)
    for name, value in above.items():
        known = below.get(name)
        merged[name] = _over(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def _of_kind(section: Any) -> dict[str, Any]:
    kind = section.get("kind") if isinstance(section, Mapping) else None
    return _OF_KIND.get(str(kind), {})


def overrides_of(remembered: Mapping[str, Any], settings: Settings, version: str | None) -> tuple[str, ...]:
    """What the overrides of a study have to begin with, so that it goes on as the version that began it.

    `remembered` are its settings that change results, `settings` those it would have now, which may be of another
    kind, and `version` is the one that began it, None for 0.1. That one drew batches independently and had other
    embedded data, which it does not name; it confirmed no points, and its workers, of which there was one unless
    something else was said, had all cores, which decides about the last bits, as does the kernel of the optimizer. A
    study that does not name the half that it chooses by chooses by all questions, and one that does not name its
    model's head never looked into the model's folder: its pooling and prefixes stay what they were. Nor were there
    tiers by what a model had read.
    """
    since = {"ratio.draw": flattened(SINCE)["ratio.draw"]}
    for name in ("data", "evaluation"):
        if remembered.get(f"{name}.kind") == getattr(settings, name).kind == "cldr":
            since |= flattened(_EMBEDDED, f"{name}.")
    if remembered.get("evaluation.kind") == settings.evaluation.kind and settings.evaluation.corpus is not None:
        later = _JUDGED if isinstance(settings.evaluation, JudgedEvaluation) else {"twins": "keep"}
        since |= flattened(later, "evaluation.")
    known = remembered.keys() | {path.removeprefix("study.space.") for path in remembered}
    study = settings.study
    lines = [f"{path}={value}" for path, value in since.items() if path not in known]
    if remembered.get("model.kind") == settings.model.kind == "hf" and "model.head" not in remembered:
        then = {path: remembered[path] for path in (f"model.{name}" for name in _READ) if path in remembered}
        then |= {path: value for path, value in flattened(_PRETRAINED, "model.").items() if path not in known}
        lines += [assignment(path, value) for path, value in then.items()]
    if remembered.get("model.kind") == settings.model.kind == "hf" and "model.pretrained_on" not in known:
        lines.append("model.pretrained_on=null")
    if version is None and study.confirm is not None:
        lines.append("study.confirm=null")
    if version is None and settings.launcher.workers == "auto" and settings.launcher.threads is None:
        lines.append("launcher.workers=1")
    if version is None and settings.train.fused_optimizer:
        lines.append("train.fused_optimizer=false")
    if study.select_on == "auto" and study.selects_on_half and "study.select_on" not in remembered:
        lines.append(f"study.select_on={flattened(SINCE)['study.select_on']}")
    return tuple(lines)
