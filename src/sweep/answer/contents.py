"""What a report of a study has in it, as values that pages, tables and charts print. Built by `sweep.answer.report`.

Ratios are α in [0, 1]. `others` are the other searched values of a point as text, empty where only the ratio is
searched. Figures are means over seeds unless a seed is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sweep.answer.study_answer import StudyAnswer
from sweep.evaluation.comparison import Comparison, Figure
from sweep.statistics.smooth import Smooth
from sweep.statistics.uncertainty import Interval

StudyState = Literal["running", "stopped", "complete", "failed trials"]


@dataclass(frozen=True)
class Headline:
    """The answer in two sentences, and what a reader must know beside them (one seed, what is missing, what cannot be
    known). `kind` says what the sentences come to, for whoever sorts studies by it."""

    kind: Literal["difference", "none shown", "equal", "one seed", "one ratio", "nothing yet"]
    sentences: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RatioDot:
    """One point of a curve: the mean with its 95 % interval (None: it has none), and the value of each seed."""

    ratio: float
    mean: float
    interval: Interval | None
    seeds: Mapping[int, float]
    key: str  # of the point, as in its trials' keys without the seed


@dataclass(frozen=True)
class PublishedFigure:
    """A figure of the literature for the same benchmark, model unlike ours; `ratio` is None for what is no ratio."""

    source: str
    system: str
    ratio: float | None
    value: float


@dataclass(frozen=True)
class RatioCurve:
    """A metric over the ratios. `key` is its full key, `part` the tier or group of pairs, empty for all."""

    key: str
    title: str
    part: str
    better: Literal["higher", "lower", "target"]
    digits: int
    others: str
    dots: tuple[RatioDot, ...]
    baselines: Mapping[str, Figure] = field(default_factory=dict)
    published: tuple[PublishedFigure, ...] = ()
    smooth: Smooth | None = None


@dataclass(frozen=True)
class PairMatrix:
    """A metric of every question language with every passage language (NaN: no such questions); the diagonal is the
    monolingual figure."""

    metric: str
    ratio: float | None
    others: str
    name: str  # such as "α = 0.5", or a baseline
    languages: tuple[str, ...]
    value_qp: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LanguageRow:
    """One language under two ratios, `compared` with Holm's correction over all languages of the table (None where
    there is one seed or nothing to compare). Sorted by gain: figure minus reference."""

    language: str
    name: str
    tiers: tuple[str, ...]
    metric: str
    reference: float
    figure: float
    gain: float
    compared: Comparison | None
    verdict: Literal["better", "worse", "not shown"]


@dataclass(frozen=True)
class LanguageTable:
    """A row a language for one metric: the ratio of `name` against that of `reference_name`."""

    metric: str
    title: str
    digits: int
    name: str
    reference_name: str
    rows: tuple[LanguageRow, ...]


@dataclass(frozen=True)
class MovedQuestion:
    """A question whose worst rank (of its relevant passages in the pool of all languages; mean over seeds) moved much
    between two ratios. `texts`: the question, and its passage in the language whose rank is the worst, if the
    benchmark could be read."""

    group: str
    language: str
    before: float
    after: float
    before_name: str
    after_name: str
    passage_language: str
    texts: tuple[str, str] | None = None


@dataclass(frozen=True)
class Importance:
    """How much of the objective's variance a searched path explains, in [0, 1]."""

    path: str
    share: float


@dataclass(frozen=True)
class LearningCurve:
    """A trial's losses or a validation figure, thinned to at most some hundred steps."""

    key: str
    ratio: float | None
    seed: int
    metric: str  # "loss", or a validation key
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class ExposureRow:
    """What a point's training saw of a pair of languages: rows and batches, means over seeds."""

    point: str
    ratio: float | None
    question_language: str
    passage_language: str
    batches: float
    rows: float
    share: float
    small_batches: float
    left_out: float


@dataclass(frozen=True)
class EndedTrial:
    """A trial without a result that counts, and why."""

    key: str
    state: Literal["FAILED", "PRUNED"]
    attempts: int
    reason: str


@dataclass(frozen=True)
class Cost:
    """What the finished trials took, all workers together. `by_phase`: seconds of preparing, training, evaluating;
    `tokens` are those that were trained on, None where a trial of an earlier version does not say."""

    trials: int
    seconds: float
    by_phase: Mapping[str, float]
    rows: int
    tokens: int | None
    median_trial_s: float


@dataclass(frozen=True)
class About:
    """How to repeat the study: its configuration (YAML), the command, and the versions that its trials ran with."""

    config: str
    command: str
    versions: Mapping[str, str]
    commit: str | None


@dataclass(frozen=True)
class StudyReport:
    """All of it. `finished` of `target` trials; `written_ms`: unix milliseconds."""

    name: str
    state: StudyState
    finished: int
    target: int
    written_ms: int
    answer: StudyAnswer
    headline: Headline
    about: About
    cost: Cost
    curves: tuple[RatioCurve, ...] = ()
    pairs: tuple[PairMatrix, ...] = ()
    languages: tuple[LanguageTable, ...] = ()
    moved: tuple[MovedQuestion, ...] = ()
    importance: tuple[Importance, ...] = ()
    learning: tuple[LearningCurve, ...] = ()
    exposure: tuple[ExposureRow, ...] = ()
    ended: tuple[EndedTrial, ...] = ()
    notes: tuple[str, ...] = ()  # on its data, from notes.json
