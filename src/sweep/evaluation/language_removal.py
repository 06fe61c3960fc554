"""Removes the language from embeddings without any training: what a trained retriever has to beat.

All three estimate something of each language from passages without labels, change every embedding by it, and
L2-normalise the result. The definitions, with m_l the mean of the passages of language l (docs/metrics.md):

    center  x - m_l + m         questions and passages; m is the mean of the m_l
    shift   x - (m_l - m_p)     passages only; p is the pivot language. arXiv 2606.18801
    lir     x - (x . v_l) v_l   questions and passages; v_l is the first right singular vector of the (uncentred)
                                passages of language l. Yang et al. 2021, arXiv 2109.04727, with r = 1

Shapes: n = embeddings, d = passages, l = languages, h = hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sweep.data.texts import Texts, texts_in_memory
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.settings import Debias, Debiasing

Role = Literal["query", "passage"]
BOTH: tuple[Role, ...] = ("query", "passage")
SMALLEST = np.finfo(float).tiny
SAMPLE_PASSAGES = 2000  # of each language, where the training set is what is estimated from

Embeddings = NDArray[np.float32]
Languages = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PassageSample:
    """Passages that a language's direction or mean is estimated from. A language without any stays as it is."""

    embedding_dh: Embeddings
    language_d: Languages


@dataclass(frozen=True, eq=False)
class SampleTexts:
    """Passages of a training set: distinct texts, and for each passage its text's row and its language's place among
    those of the benchmark (n)."""

    texts: Texts
    text_n: NDArray[np.int64]
    language_n: Languages


@dataclass(frozen=True, eq=False)
class RemovalPlan:
    """What is removed, by which methods. `sample`: what is estimated from; None: the benchmark's own passages."""

    methods: tuple[Debias, ...]
    pivot: str
    sample: SampleTexts | None = None


def removal_plan(
    methods: Sequence[Debias],
    settings: Debiasing,
    languages: Sequence[str],
    training: TrainingSet | None = None,
    with_passages: Sequence[str] | None = None,
) -> RemovalPlan | None:
    """The plan of some methods on a benchmark of these languages; None without any method. `with_passages`: those
    that have passages in the benchmark, if these are not all.

    Raises InputError if the pivot is no language of the benchmark or has no passages where they are estimated from,
    or if there is no training set to estimate from.
    """
    if not methods:
        return None
    if settings.debias_pivot is not None and settings.debias_pivot not in languages:
        known = " ".join(languages)
        raise InputError(f"debias_pivot={settings.debias_pivot} is no language of the benchmark, which has {known}")
    if settings.debias_on == "pool":
        return RemovalPlan(tuple(methods), _pivot(settings, with_passages or languages, "the benchmark"))
    if training is None:
        raise InputError("evaluation.debias_on=train needs a study: without training take evaluation.debias_on=pool")
    sample = _sample_of(training, languages)
    trained = [languages[place] for place in np.unique(sample.language_n)]
    return RemovalPlan(tuple(methods), _pivot(settings, trained or languages, "the training data"), sample)


def _pivot(settings: Debiasing, languages: Sequence[str], where: str) -> str:
    """The language to move to, of those with passages. Raises InputError if it is none of them."""
    pivot = settings.debias_pivot or ("en" if "en" in languages else languages[0])
    if pivot not in languages:
        raise InputError(f"debias_pivot={pivot} has no passages in {where}: take one of {' '.join(languages)}")
    return pivot


def _sample_of(training: TrainingSet, languages: Sequence[str]) -> SampleTexts:
    """The first passages of each language that the benchmark has, too."""
    rows, places = [], []
    for place, code in enumerate(languages):
        if code in training.languages:
            kept = training.passages_in(code)[:SAMPLE_PASSAGES]
            rows += training.texts.read(kept)
            places += [place] * len(kept)
    texts, text_n = texts_in_memory(rows)
    return SampleTexts(texts, text_n, np.array(places, np.int64))


@dataclass(frozen=True, eq=False)
class Removal:
    """A fitted method: what is added to an embedding of each language (l, h), and then which direction of length 1 is
    projected out of it (l, h); zeros where nothing is. `roles`: whose embeddings change."""

    offset_lh: NDArray[np.float64]
    direction_lh: NDArray[np.float64]
    roles: tuple[Role, ...] = BOTH

    def of(self, embedding_nh: Embeddings, language_n: Languages, role: Role) -> Embeddings:
        """Embeddings without their language, L2-normalised."""
        if role not in self.roles:
            return embedding_nh
        free_nh = np.empty_like(embedding_nh)
        for place in np.unique(language_n):
            rows = np.flatnonzero(language_n == place)
            part_nh = embedding_nh[rows] + self.offset_lh[place]
            part_nh -= np.outer(part_nh @ self.direction_lh[place], self.direction_lh[place])
            free_nh[rows] = part_nh / np.maximum(np.linalg.norm(part_nh, axis=1, keepdims=True), SMALLEST)
        return free_nh

    def maps(self, languages: Sequence[str]) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """For each language the matrix (h, h) and the offset (h) that give the same before normalisation."""
        maps = {}
        for code, offset_h, direction_h in zip(languages, self.offset_lh, self.direction_lh, strict=True):
            matrix_hh = np.eye(len(offset_h)) - np.outer(direction_h, direction_h)
            maps[code] = matrix_hh.astype(np.float32), (matrix_hh @ offset_h).astype(np.float32)
        return maps


def fit(method: Debias, sample: PassageSample, languages: Sequence[str], pivot: str) -> Removal:
    """Estimate what removes the language from embeddings in these languages."""
    nothing_lh = np.zeros((len(languages), sample.embedding_dh.shape[1]))
    if method == "lir":
        return Removal(nothing_lh, _directions(sample, len(languages)))
    mean_lh, known_l = _means(sample, len(languages))
    to_h = mean_lh[known_l].mean(0) if method == "center" else mean_lh[list(languages).index(pivot)]
    offset_lh = np.where(known_l[:, None], to_h - mean_lh, 0.0)
    return Removal(offset_lh, nothing_lh, BOTH if method == "center" else ("passage",))


def _means(sample: PassageSample, languages: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The mean of each language's passages, and which languages have any."""
    mean_lh = np.zeros((languages, sample.embedding_dh.shape[1]))
    known_l = np.zeros(languages, bool)
    for place in np.unique(sample.language_d):
        mean_lh[place] = sample.embedding_dh[sample.language_d == place].mean(0, dtype=np.float64)
        known_l[place] = True
    return mean_lh, known_l


def _directions(sample: PassageSample, languages: int) -> NDArray[np.float64]:
    """The first right singular vector of each language's passages: an eigenvector of their Gram matrix (h, h)."""
    direction_lh = np.zeros((languages, sample.embedding_dh.shape[1]))
    for place in np.unique(sample.language_d):
        part_dh = np.asarray(sample.embedding_dh[sample.language_d == place], np.float64)
        direction_lh[place] = np.linalg.eigh(part_dh.T @ part_dh)[1][:, -1]
    return direction_lh
