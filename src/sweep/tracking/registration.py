"""Registers the model of the best point when a study has ended, once as long as the model is the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.records.folder import StudyFolder
from sweep.settings import StudySettings, flattened
from sweep.settings.saved_yaml import read_yaml
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.kept_model import ChosenTrial, KeptModel, chosen_trial, digest_of_folder, state_of
from sweep.tracking.protocol import Place, Tracker, TrackerRefuses
from sweep.tracking.shown import headline, point_name, trial_name
from sweep.tracking.snapshot import Snapshot
from sweep.tracking.study_facts import KnownStudy
from sweep.tracking.study_page import CHARTS

KEY = "registered model"


@dataclass(frozen=True)
class _Wanted:
    """The choice whose model is to be registered, and a digest of what that follows from; or why there is none."""

    study: StudySettings
    choice: ChosenTrial
    state: str


class Registration:
    """Registers a model if the place wants that."""

    def __init__(self, folder: StudyFolder, cursor: Cursor, study: KnownStudy, place: Place, uid: str) -> None:
        self._folder = folder
        self._cursor = cursor
        self._study = study
        self._name = place.register
        self._shown = place.metrics
        self._uid = uid
        self._remark: str | None = None  # of what was done, or refused

    def is_behind(self, snapshot: Snapshot) -> bool:
        """Whether there is a model to register. Reads no model."""
        if self._name is None or self._cursor.store is None or self._remark is not None:
            return False
        if isinstance(wanted := self._wanted(snapshot), str):
            return False
        sent = self._cursor.get(KEY)
        return sent is None or sent.ended != wanted.state

    def send(self, tracker: Tracker, snapshot: Snapshot) -> None:
        """Register it, if that is missing. Raises TrackerAway; what is refused is a remark."""
        if not self.is_behind(snapshot) or isinstance(wanted := self._wanted(snapshot), str):
            return
        model = self._kept(wanted)
        try:
            version = tracker.register(model)
        except TrackerRefuses as error:
            self._remark = f"the model of the best point could not be registered as {self._name}: {error}"
            return
        self._cursor.put(KEY, Sent(tracker.study_run, "FINISHED", ended=wanted.state))
        point = f"{model.tags['sweep.point']}, seed {model.tags['sweep.seed']}"
        chosen = model.tags["sweep.chosen"]
        self._remark = f"Registered: models:/{self._name}/{version} is the model of {point} ({chosen})"

    def remark(self, snapshot: Snapshot) -> str | None:
        """What was registered, or why nothing is; None if there is nothing to say."""
        if self._name is None or self._remark is not None or snapshot.ended not in ("FINISHED", "FAILED"):
            return self._remark
        wanted = self._wanted(snapshot)
        return f"tracking.register={self._name}: {wanted}" if isinstance(wanted, str) else None

    def _wanted(self, snapshot: Snapshot) -> _Wanted | str:
        """What is to be registered, or why nothing is."""
        study = self._study.facts.study
        if snapshot.ended not in ("FINISHED", "FAILED"):
            return "the study has not ended, so no model is registered yet"
        if study is None:
            return "the study's settings cannot be read, so no model is registered"
        if len(study.objectives) > 1:
            return "of several objectives no point is the best one, so no model is registered"
        choice = chosen_trial(self._folder, snapshot.records, study)
        if choice is None:
            return "no point has all its seeds, so no model is registered"
        if choice.record is None:
            name = point_name(choice.point.parameters)
            return f"no model of the best point ({name}) was kept (study.export={study.export}): none is registered"
        state = state_of(self._folder.trial(choice.record.key).model)
        return _Wanted(study, choice, f"{self._name} {choice.record.key} {state}")

    def _kept(self, wanted: _Wanted) -> KeptModel:
        study, choice = wanted.study, wanted.choice
        record = choice.record
        assert record is not None
        assert self._name is not None
        trial = self._folder.trial(record.key)
        result, sent = trial.read_result(), self._cursor.get(record.key)
        assert result is not None  # it is COMPLETE
        metric = study.selected(study.objectives[0].metric)
        chosen = f"chosen among {choice.among} points by {metric}" if choice.among > 1 else "the only point"
        figures = headline(result.metrics, self._study.facts.objectives, self._shown)
        tags = {
            "sweep.study": self._uid,
            "sweep.study_name": self._folder.path.name,
            "sweep.key": record.key,
            "sweep.point": point_name(record.parameters),
            "sweep.seed": str(record.seed),
            "sweep.seeds": str(len(choice.point.records)),
            "sweep.chosen": chosen,
            f"mean.{metric}": f"{choice.point.value:.6f}",
            **{key: f"{result.metrics[key]:.6f}" for key in self._figures() if key in result.metrics},
        }
        settings = flattened(read_yaml(trial.config))
        return KeptModel(
            name=self._name,
            folder=trial.model,
            digest=digest_of_folder(trial.model),
            tags=tags,
            description=_description(trial_name(record), tags, figures, self._name),
            trial_run=None if sent is None else sent.run,
            metrics=figures,
            finished_ms=result.finished_ms,
            step=int(settings.get("train.steps", result.steps or 0)),
            versions=result.versions,
        )

    def _figures(self) -> list[str]:
        """The keys of the figures that a version is tagged with."""
        facts = self._study.facts
        return list(dict.fromkeys([*facts.objectives, *(f"{facts.benchmark}/{name}" for name in CHARTS.values())]))


def _description(trial: str, tags: Mapping[str, str], figures: Mapping[str, float], name: str) -> str:
    """What a version is, and how it is used."""
    study, chosen = _code(tags["sweep.study_name"]), _code(tags["sweep.chosen"])
    rows = [f"| {_code(key)} | {value:.4f} |" for key, value in figures.items()]
    return "\n".join(
        [
            f"The encoder of {_code(trial)} of study {study}, {chosen}. "
            "Figures of what was chosen for them are too high.",
            "",
            f'`mlflow.pyfunc.load_model("models:/{name}/VERSION").predict(frame)` gives embeddings (n, h) of the '
            "column `text`. Where the column `kind` is `query` or `passage`, a text gets that prompt.",
            "",
            "| metric (this seed) | value |",
            "|---|---|",
            *rows,
        ]
    )


def _code(text: str) -> str:
    """A text as Markdown shows it, whatever it has, also in a table."""
    return "`" + text.replace("`", "'").replace("|", "/") + "`"
