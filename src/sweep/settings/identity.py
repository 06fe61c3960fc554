"""What may not change: between two runs of a study, and between a trial's attempts.

The definition is `RESULT_SECTIONS`, less the fields that a section declares in `UNRELATED` or `ROUNDING`. A trial's
fingerprint, which checkpoints and results carry, and the settings that a study remembers are both made from it.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from sweep.settings.base import Section, flattened
from sweep.settings.benchmarks import BENCHMARKS
from sweep.settings.loss import DEFAULT_LOSS
from sweep.settings.study import StudySettings
from sweep.settings.wording import written

if TYPE_CHECKING:
    from sweep.settings import Settings

# What a study has that does not name it.
UNNAMED = {
    "study.scratch_baselines": False,
    "study.select_on": "all",
    "data.candidates": "auto",
    "evaluation.candidates": "auto",
    "model.head": "none",
    "model.lower_case": False,
    "model.pretrained_on": None,
    "ratio.code_switch.probability": 0.0,
    "ratio.code_switch.texts": "questions",
    "loss.kind": DEFAULT_LOSS.kind,
    "loss.weights.monolingual": 1.0,
    "loss.weights.cross_lingual": 1.0,
}
RESULT_SECTIONS = ("languages", "data", "evaluation", "model", "ratio", "train", "loss")


def _sections(settings: "Settings") -> dict[str, Section]:
    """The sections that results depend on, those of further benchmarks in the order of their names, which says
    nothing else. The default loss is left out: studies were begun without the section."""
    sections = {name: getattr(settings, name) for name in RESULT_SECTIONS}
    further = {f"{BENCHMARKS}.{name}": section for name, section in sorted(settings.benchmarks.items())}
    return {name: section for name, section in sections.items() if section != DEFAULT_LOSS} | further


def _meanings(settings: "Settings", searched: Collection[str] = ()) -> dict[str, str]:
    """What settings mean since version 0.1, where they meant something else then: results of that are none of these.

    A passage that answers a question in another language is no negative of it in a mixed batch; groups are held out
    together with those that share a text with them. `searched` are paths with other values in some of the points.
    """
    meanings = {}
    if settings.ratio.cross_batch == "mixed" or "ratio.cross_batch" in searched:
        meanings["ratio.masks"] = "any language"
    if settings.train.validation.every_steps is not None:
        meanings["train.validation.held_out"] = "components"
    return meanings


def trial_fingerprint(settings: "Settings") -> str:
    """SHA-256 (hex) of what a trial's result depends on.

    The study, launcher, tracking and paths may differ, and so may what changes only how a result is rounded.
    """
    return _digest(settings, [section.fingerprint(but=section.ROUNDING) for section in _sections(settings).values()])


def earlier_fingerprints(settings: "Settings") -> tuple[str, ...]:
    """What earlier versions called these settings: version 0.1 counted what changes only the rounding, too. None if
    these settings meant something else to it."""
    if _meanings(settings):
        return ()
    return (_digest(settings, [section.fingerprint() for section in _sections(settings).values()]),)


def has_fingerprint(settings: "Settings", fingerprint: str) -> bool:
    """Whether what has this fingerprint, given by this version or an earlier one, has these settings."""
    return fingerprint in (trial_fingerprint(settings), *earlier_fingerprints(settings))


def _digest(settings: "Settings", fingerprints: list[str]) -> str:
    meanings = "".join(f"{path}={meaning}" for path, meaning in _meanings(settings).items())
    return hashlib.sha256(f"{settings.seed}{''.join(fingerprints)}{meanings}".encode()).hexdigest()


def result_settings(settings: "Settings") -> dict[str, Any]:
    """Settings that change results, flattened to config paths; without what is searched.

    Those that change only how results are rounded, or how often a training is saved, may change between runs of one
    study; the target, seeds, sampler, launcher, storage, tracking and paths may, too. An even draw is named even if
    the group `ratio` is searched, and so are a relation of embedded data and the head of a pretrained model: a study
    that does not name them was begun before there were others (see `sweep.settings.earlier`).
    """
    sections: dict[str, Any] = {
        name: section.plain(but=section.ROUNDING) for name, section in _sections(settings).items()
    }
    sections["study"] = {"objectives": settings.study.model_dump(mode="json")["objectives"]}
    if settings.study.selects_on_half:  # a study that does not name it chooses by all questions
        sections["study"]["select_on"] = "half"
    searched = set(settings.study.space)
    return (
        _meanings(settings, searched)
        | {path: value for path, value in _named(settings).items() if path not in searched}
        | {path: value for path, value in flattened(sections).items() if not _is_within(path, searched)}
        | {f"study.space.{path}": _kind(settings.study, path) for path in searched}
    )


def _named(settings: "Settings") -> dict[str, str]:
    """Choices that there were not yet in version 0.1, where they are not what it did."""
    named = {"ratio.draw": "even"} if settings.ratio.draw == "even" else {}
    for name, section in (("data", settings.data), ("evaluation", settings.evaluation)):
        if section.kind == "cldr" and section.relation != "names":
            named[f"{name}.relation"] = section.relation
    if settings.model.kind == "hf" and not _is_within("model.head", set(settings.study.space)):
        named["model.head"] = settings.model.head
    return named


def _is_within(path: str, searched: set[str]) -> bool:
    """Whether a path is searched, itself or with the group it belongs to."""
    return any(path == name or path.startswith(name + ".") for name in searched)


def _kind(study: StudySettings, path: str) -> Any:
    """A grid's values may change; a searched dimension may not, since its earlier points were drawn from it."""
    return "grid" if study.is_grid else study.space[path].model_dump(mode="json", exclude_none=True)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for every path whose value is not the same, and for every further benchmark that one of both lacks."""
    named = [{path.split(".")[1] for path in one if path.startswith(f"{BENCHMARKS}.")} for one in (then, now)]
    alone = named[0] ^ named[1]
    pairs = {
        path: tuple(one.get(path, _unnamed(path)) for one in (then, now))
        for path in sorted(now.keys() | then.keys())
        if not (path.startswith(f"{BENCHMARKS}.") and path.split(".")[1] in alone)
    }
    lines = [
        f"  {path}: {written(old)} in the study, {written(new)} now"
        for path, (old, new) in pairs.items()
        if old != new
    ]
    whole = [f"  {BENCHMARKS}.{name}: {'only' if name in named[0] else 'not'} in the study" for name in sorted(alone)]
    return [*lines, *whole]


def _unnamed(path: str) -> Any:
    """The value of a path that a study does not name; of a benchmark's it is the same for all of them."""
    section, _, rest = path.partition(".")
    return UNNAMED.get(f"evaluation.{rest.partition('.')[2]}" if section == BENCHMARKS else path)


def outside(settings: Mapping[str, Any], *searched: set[str]) -> dict[str, Any]:
    """Of result settings those that no search touches; the objectives are no matter of a trial's result."""
    every = set().union(*searched)
    return {
        path: value
        for path, value in settings.items()
        if not path.startswith("study.") and not _is_within(path, every)
    }
