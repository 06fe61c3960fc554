"""Translation groups of the training data that are held out of training, to evaluate on while it runs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.training_set import ABSENT, TrainingSet
from sweep.errors import InputError
from sweep.settings.metric_key import MetricKey

NAME = "validation"  # what its metrics' keys start with
SEED = 20_413  # the same groups in every trial of a study, whatever its seed


def validation_key(metric: str) -> str:
    """What stands for a benchmark's metric while training: the same family, metric and tier of what was held out."""
    return str(MetricKey.parse(metric).on(NAME))


class Split(NamedTuple):
    """What is left to train on, and the benchmark of what is held out."""

    training: TrainingSet
    validation: Benchmark


def hold_out(training: TrainingSet, groups: int) -> Split:
    """Hold out so many translation groups; those that exist in the most languages first, drawn among equals.

    Every language keeps at least half of its rows. Raises InputError if there is nothing that may be held out.
    """
    present_gl = (training.question_gl != ABSENT) & (training.passage_gl != ABSENT)
    chosen = _chosen(present_gl, groups)
    if not len(chosen):
        raise InputError(
            "train.validation: the training data has too few rows to hold any out; "
            "set train.validation.every_steps=null"
        )
    keep_g = np.ones(len(training.groups), bool)
    keep_g[chosen] = False
    left = TrainingSet(
        training.languages,
        tuple(group for group, kept in zip(training.groups, keep_g, strict=True) if kept),
        training.texts,
        training.question_gl[keep_g],
        training.passage_gl[keep_g],
        _without(training, keep_g),
    )
    return Split(left, _benchmark(training, np.sort(chosen)))


def _without(training: TrainingSet, keep_g: NDArray[np.bool_]) -> dict[tuple[int, int], NDArray[np.int32]]:
    """Hard negatives of the groups that are kept, by their new numbers."""
    number_g = np.cumsum(keep_g) - 1
    return {
        (int(number_g[group]), column): texts
        for (group, column), texts in training.negatives.items()
        if keep_g[group]
    }


def _chosen(present_gl: NDArray[np.bool_], groups: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(SEED)
    order = np.lexsort((rng.random(len(present_gl)), -present_gl.sum(1)))
    left_l = present_gl.sum(0) // 2  # how many rows each language can give
    chosen: list[int] = []
    for group in order:
        if len(chosen) == groups or not present_gl[group].any():
            break
        if (left_l >= present_gl[group]).all():
            left_l = left_l - present_gl[group]
            chosen.append(int(group))
    return np.array(chosen, np.int64)


def _benchmark(training: TrainingSet, chosen: NDArray[np.int64]) -> Benchmark:
    questions: list[Question] = []
    passages: dict[str, Passage] = {}  # a passage may answer several questions
    relevant: dict[str, dict[str, int]] = {}
    for row in chosen:
        group = training.groups[row]
        for place, code in enumerate(training.languages):
            asked, answered = int(training.question_gl[row, place]), int(training.passage_gl[row, place])
            if ABSENT in (asked, answered):
                continue
            id_ = f"{answered:09d}:{code}"
            questions.append(Question(group, code, training.texts[asked]))
            passages.setdefault(id_, Passage(id_, code, training.texts[answered], unit=group))
            relevant.setdefault(group, {})[id_] = 1
    asked_in = {question.language for question in questions}
    languages = tuple(code for code in training.languages if code in asked_in)
    return benchmark(NAME, languages, questions, passages.values(), relevant)
