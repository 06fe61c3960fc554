"""What a mirror needs to know of a study's configuration."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweep.errors import SweepError
from sweep.records.folder import StudyFolder
from sweep.settings import Settings, StudySettings, flattened
from sweep.settings.load import saved_settings
from sweep.settings.metric_key import MetricKey
from sweep.study.wanted import planned_trials


@dataclass(frozen=True)
class StudyFacts:
    """Of a study.

    Attributes:
        objectives: the keys of what it searches by, and of the same on the half that is reported.
        benchmark: what the first figures are of.
        ascending: whether the first objective is better when it is lower.
        seeds: how many every point gets.
        target: how many trials there are to be, None if that is not known.
        space: what is searched, as text by config path.
        config: all settings by config path.
        study: its settings, None if they cannot be read.
    """

    objectives: tuple[str, ...] = ()
    benchmark: str = ""
    ascending: bool = False
    seeds: int = 1
    target: int | None = None
    space: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    study: StudySettings | None = None


class KnownStudy:
    """The facts of a study, read again when its configuration has changed."""

    def __init__(self, folder: StudyFolder) -> None:
        self._file = folder.config
        self._read: tuple[int, StudyFacts] | None = None
        self.problem: str | None = None  # why nothing is known

    @property
    def facts(self) -> StudyFacts:
        """As the study's configuration says now; of one that cannot be read nothing is known."""
        changed = self._file.stat().st_mtime_ns if self._file.exists() else 0
        if self._read is None or self._read[0] != changed:
            self.problem = None
            try:
                facts = _facts_of(saved_settings(self._file).settings)
            except (SweepError, KeyError, TypeError, OSError) as error:
                facts = StudyFacts()
                reason = (
                    str(error) if isinstance(error, (SweepError, OSError)) else f"{type(error).__name__}: {error}"
                )
                self.problem = (
                    "the study is tracked without its objectives, its target and its settings, which cannot be read: "
                    f"{' '.join(reason.split())}"
                )
            self._read = (changed, facts)
        return self._read[1]


def _facts_of(settings: Settings) -> StudyFacts:
    study = settings.study
    benchmark = settings.evaluations[0].name
    keys = [str(MetricKey.within(benchmark, objective.metric)) for objective in study.objectives]
    names = [name(key) for key in keys for name in (study.selected, study.reported)]
    space = {
        path: json.dumps(dimension.model_dump(mode="json", by_alias=True, exclude_defaults=True))
        for path, dimension in study.space.items()
    }
    return StudyFacts(
        objectives=tuple(dict.fromkeys(names)),
        benchmark=f"{benchmark}+report" if study.selects_on_half else benchmark,
        ascending=study.objectives[0].direction == "minimize",
        seeds=len(study.seeds),
        target=planned_trials(study),
        space=space,
        config=flattened(settings.model_dump(mode="json")),
        study=study,
    )
