"""Settings that would have a study train on what it evaluates on. Texts are compared when they are read."""

from collections.abc import Callable
from pathlib import Path

from sweep.settings import (
    AfriqaData,
    AfriqaEvaluation,
    BitextData,
    EvaluationSettings,
    JudgedData,
    JudgedEvaluation,
    Settings,
    SourceSettings,
)
from sweep.settings.evaluation import LinesEvaluation
from sweep.settings.wording import written


def zero_shot_problem(settings: Settings) -> str | None:
    """What is wrong if a source of the training data has to do with a benchmark in a way that is not allowed."""
    sources = {"data": settings.data} if settings.data.kind != "mix" else settings.data.sections
    keys = ["evaluation", *(f"benchmarks.{name}" for name in settings.benchmarks)]
    evaluations = dict(zip(keys, settings.evaluations, strict=True))
    problems = (
        check(key, source, other_key, evaluation)
        for check in CHECKS
        for key, source in sources.items()
        for other_key, evaluation in evaluations.items()
    )
    return next(filter(None, problems), None)


def _same_corpus(key: str, data: SourceSettings, other_key: str, evaluation: EvaluationSettings) -> str | None:
    if data.kind != evaluation.kind or data.corpus is None or evaluation.corpus is None or data.kind == "afriqa":
        return None
    folders = [_folder(section.path) for section in (data, evaluation)]
    same_folder = None not in folders and folders[0] == folders[1]
    # Files of one's own have no name but their folder's; their texts are compared when they are read.
    declared = data.corpus.origin is not None or evaluation.corpus.origin is not None
    if not same_folder and not (declared and data.corpus.name == evaluation.corpus.name):
        return None
    both = f"in the folder {folders[0]}" if same_folder else f"'{data.corpus.name}'"
    is_first = other_key == "evaluation"
    other = "another data= or evaluation=" if is_first else f"another data=, or leave {other_key} out"
    return (
        f"{key} and {other_key} are both {both}: a study never trains on what it evaluates on; choose {other}, or "
        f"another folder for {key}.path or {other_key}.path"
    )


def _documents_divided(key: str, data: SourceSettings, other_key: str, evaluation: EvaluationSettings) -> str | None:
    """The documents of one corpus have to be divided alike."""
    if not isinstance(data, BitextData) or not isinstance(evaluation, LinesEvaluation):
        return None
    declared = data.corpus.origin is not None and data.corpus.name == evaluation.corpus.name
    if not declared and (data.path is None or _folder(data.path) != _folder(evaluation.path)):
        return None
    for name in ("train_share", "documents"):
        ours, theirs = getattr(data, name), getattr(evaluation, name)
        if ours != theirs:
            return (
                f"{key}.{name}={written(ours)} and {other_key}.{name}={written(theirs)}: the documents of one corpus "
                "have to be divided alike, or a study trains on what it evaluates on; set both to the same value"
            )
    return None


def _splits_apart(key: str, data: SourceSettings, other_key: str, evaluation: EvaluationSettings) -> str | None:
    """Of a collection, the splits' questions differ and their passages do not: what answers one of the split that is
    evaluated on would be refused when it is read, which takes hours for MIRACL."""
    if not isinstance(data, JudgedData) or not isinstance(evaluation, JudgedEvaluation):
        return None
    one, other = _folder(data.path), _folder(evaluation.path)
    is_same = one == other and (one is not None or data.corpus.name == evaluation.corpus.name)
    if data.layout != evaluation.kind or not is_same or evaluation.split in data.apart_from:
        return None
    name = data.path or data.corpus.name
    if data.split == evaluation.split:
        return (
            f"{key} and {other_key} are both the split '{data.split}' of '{name}': train on another one, {key}.split="
        )
    apart = ",".join((*data.apart_from, evaluation.split))
    return (
        f"{key} and {other_key} are splits of '{name}', which share passages; add {key}.apart_from=[{apart}], which "
        "leaves out of training whatever answers a question that is evaluated on"
    )


def _splits_of_afriqa(key: str, data: SourceSettings, other_key: str, evaluation: EvaluationSettings) -> str | None:
    """The splits share passages, which the reader of training data leaves out if it is asked to."""
    if not isinstance(data, AfriqaData) or not isinstance(evaluation, AfriqaEvaluation):
        return None
    if data.split == evaluation.split:
        return (
            f"{key}.split and {other_key}.split are both {data.split}: a study never trains on what it evaluates on"
        )
    if evaluation.split in data.apart_from:
        return None
    apart = ", ".join((*data.apart_from, evaluation.split))
    return (
        f"{key}.apart_from lacks {other_key}.split={evaluation.split}, which shares passages: set "
        f"{key}.apart_from=[{apart}]"
    )


def _folder(path: str | None) -> str | None:
    return path and str(Path(path).resolve())


CHECKS: tuple[Callable[[str, SourceSettings, str, EvaluationSettings], str | None], ...] = (
    _same_corpus,
    _documents_divided,
    _splits_apart,
    _splits_of_afriqa,
)
