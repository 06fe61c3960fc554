"""What a study is: the settings that may not change between its runs."""

from collections.abc import Mapping
from typing import Any

from sweep.settings import Settings, StudySettings, TrainSettings, flattened


def result_settings(settings: Settings) -> dict[str, Any]:
    """Settings that change results, flattened to config paths; without what is searched.

    Those that change only how results are rounded, or how often a training is saved, may change between runs of one
    study; the target, seeds, sampler, launcher, storage, tracking and paths may, too.
    """
    sections = settings.model_dump(
        mode="json", include={"model", "data", "evaluation", "languages", "train", "ratio", "study"}
    )
    for name in TrainSettings.UNRELATED | TrainSettings.ROUNDING:
        del sections["train"][name]
    sections["study"] = {"objectives": sections["study"]["objectives"]}
    searched = set(settings.study.space)
    return {path: value for path, value in flattened(sections).items() if not _is_within(path, searched)} | {
        f"study.space.{path}": _kind(settings.study, path) for path in searched
    }


def _is_within(path: str, searched: set[str]) -> bool:
    """Whether a path is searched, itself or with the group it belongs to."""
    return any(path == name or path.startswith(name + ".") for name in searched)


def _kind(study: StudySettings, path: str) -> Any:
    """A grid's values may change; a searched dimension may not, since its earlier points were drawn from it."""
    return "grid" if study.is_grid else study.space[path].model_dump(mode="json", exclude_none=True)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for every path whose value is not the same."""
    differing = sorted(path for path in now.keys() | then.keys() if now.get(path) != then.get(path))
    return [f"  {path}: {then.get(path)!r} in the study, {now.get(path)!r} now" for path in differing]


def outside(settings: Mapping[str, Any], *searched: set[str]) -> dict[str, Any]:
    """Of result settings those that no search touches; the objectives are no matter of a trial's result."""
    every = set().union(*searched)
    return {
        path: value
        for path, value in settings.items()
        if not path.startswith("study.") and not _is_within(path, every)
    }
