"""The trained models of a study that are kept: always, never, or those of the points that may be the best."""

import shutil

from sweep.model.export import export
from sweep.records.data_record import read_records
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.provenance import git_commit
from sweep.records.values import TrialResult
from sweep.report.card import model_card
from sweep.settings import Settings
from sweep.study.parents import needed_weights
from sweep.study.point import Point
from sweep.study.view import StudyView
from sweep.trial.pipeline import TrialOutcome


def is_to_be_kept(settings: Settings, view: StudyView, point: Point, result: TrialResult) -> bool:
    """Whether a trial's model is to be kept."""
    if settings.study.export != "best":
        return settings.study.export == "all"
    return view.would_be_kept(point, result)


def keep_model(settings: Settings, folder: TrialFolder, key: str, outcome: TrialOutcome) -> None:
    """Keep a model, with what removes the language from its embeddings if that is asked for."""
    evaluated, maps = outcome.measured.evaluated, {}
    if (method := settings.study.export_debias) is not None:
        evaluation = outcome.measured.evaluations[settings.evaluation.name]
        debiased = evaluation.debiased[method]
        # Further benchmarks were evaluated with removals of their own, which are not those that are exported.
        evaluated = debiased.evaluation.evaluated
        maps = debiased.removal.maps(evaluation.ranking.languages)
    data = read_records(folder.path)
    card = model_card(settings, key, evaluated, git_commit(), tuple(maps), data)
    export(outcome.retriever, folder.model, card, maps)


def drop_unneeded(folder: StudyFolder, view: StudyView) -> None:
    """Remove models of points that can no longer be the best, if these are kept, and weights that no merge needs."""
    if view.settings.export == "best":
        _drop_beaten_models(folder, view)
    _drop_unneeded_weights(folder, view)


def _drop_beaten_models(folder: StudyFolder, view: StudyView) -> None:
    """Remove the models in a study's folder of points that can no longer be the best."""
    models = list(folder.path.glob("trials/*/model"))
    if not models:
        return
    best = view.first_of_best(model.parent.name for model in models)
    for other in models:
        if other.parent.name not in best:
            shutil.rmtree(other, ignore_errors=True)  # another worker may be at it, too


def _drop_unneeded_weights(folder: StudyFolder, view: StudyView) -> None:
    """Remove the weights in a study's folder that no merge will ask for any more."""
    kept = list(folder.path.glob("trials/*/weights"))
    if not kept:
        return
    known = view.trials()
    needed = needed_weights(view.wanted.among(known).values(), known, view.settings)
    for weights in kept:
        trial = known.get(weights.parent.name)
        if trial is not None and trial.has_ended and trial.key not in needed:
            shutil.rmtree(weights, ignore_errors=True)  # another worker may be at it, too
