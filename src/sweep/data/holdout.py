"""Translation groups of the training data that are held out of training, to evaluate on while it runs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.leakage import normalised
from sweep.data.texts import distinct
from sweep.data.training_set import TrainingSet
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
    """Hold out up to so many translation groups; those that exist in the most languages first, drawn among equals.

    Groups that share a question or a passage, in whatever language, are held out together or not at all, so that no
    held-out text is trained on. Every language keeps at least half of its rows. Raises InputError if there is
    nothing that may be held out.
    """
    languages = len(training.languages)
    present_gl = (training.questions.present_lg(languages) & training.passages.present_lg(languages)).T
    chosen = _chosen(present_gl, _components(training), groups)
    if not len(chosen):
        raise InputError(
            "train.validation: the training data has too few rows to hold any out, or all of its groups share texts "
            f"with more than {groups - 1} others (train.validation.groups); "
            "set train.validation.every_steps=null"
        )
    return Split(training.without(chosen), _benchmark(training, np.sort(chosen)))


def _components(training: TrainingSet) -> NDArray[np.int64]:
    """Number of the component of each group: groups that have a question or a passage in common, but for case and
    whitespace, or that such groups join."""
    number_t = distinct(map(normalised, training.texts))[1]
    parts = training.questions, training.passages
    group = np.concatenate([cells.group_n for cells in parts])
    groups = len(training.groups)
    text = number_t[np.concatenate([cells.text_n for cells in parts])] + groups  # groups and texts: one graph's nodes
    nodes = groups + len(number_t)
    edges = coo_array((np.ones(len(group), np.int8), (group, text)), shape=(nodes, nodes))
    component: NDArray[np.int64] = connected_components(edges, directed=False)[1][:groups]
    return component


def _chosen(present_gl: NDArray[np.bool_], component_g: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Groups in whole components, as many as fit: a component that is too large is passed over."""
    rng = np.random.default_rng(SEED)
    order = np.lexsort((rng.random(len(present_gl)), -present_gl.sum(1)))
    left_l = present_gl.sum(0) // 2  # how many rows each language can give
    by_component = np.argsort(component_g, kind="stable")
    starts = np.searchsorted(component_g[by_component], np.arange(component_g.max() + 2))
    chosen: list[int] = []
    visited = set()
    for group in order:
        if len(chosen) == groups or not present_gl[group].any():
            break
        component = component_g[group]
        if component in visited:
            continue
        visited.add(component)
        members = by_component[starts[component] : starts[component + 1]]
        rows_l = present_gl[members].sum(0)
        if len(chosen) + len(members) <= groups and (left_l >= rows_l).all():
            left_l = left_l - rows_l
            chosen += members.tolist()
    return np.array(chosen, np.int64)


def _benchmark(training: TrainingSet, chosen: NDArray[np.int64]) -> Benchmark:
    questions: list[Question] = []
    passages: dict[str, Passage] = {}  # a passage may answer several questions
    relevant: dict[str, dict[str, int]] = {}
    for row in chosen:
        group = training.groups[row]
        for place, code in enumerate(training.languages):
            asked, answered = training.questions.of(row, place), training.passages.of(row, place)
            if len(asked):
                questions.append(Question(group, code, training.texts[asked[0]]))
            for text in answered.tolist():
                id_ = f"{text:09d}:{code}"
                passages.setdefault(id_, Passage(id_, code, training.texts[text], unit=group))
                relevant.setdefault(group, {})[id_] = 1
    there = {question.language for question in questions} | {passage.language for passage in passages.values()}
    languages = tuple(code for code in training.languages if code in there)
    return benchmark(NAME, languages, questions, passages.values(), relevant, one_sided=True)
