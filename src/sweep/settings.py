"""Frozen, typed settings of a study. Built once by `sweep.config` from the composed configuration.

Every section forbids unknown keys and checks its ranges, so nothing further down validates again.
Each section stands for one group of the config tree; a `kind` field tells swappable members of a group apart.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Positive = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Section(BaseModel):
    """Base of all settings: immutable, strict about types, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON form: equal settings, equal fingerprint, in any process."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


class PathSettings(Section):
    """Where results and caches lie. `cache: null` is the user's cache folder."""

    sweeps: str
    cache: str | None


class Tiers(Section):
    """Resource tiers of languages; a language in none of them belongs to no resource tier."""

    high: tuple[Language, ...] = ()
    mid: tuple[Language, ...] = ()
    low: tuple[Language, ...] = ()

    def of(self, language: str) -> str | None:
        """The tier's name of one language, or None."""
        for name in ("high", "mid", "low"):
            if language in getattr(self, name):
                return name
        return None

    @model_validator(mode="after")
    def _disjoint(self) -> "Tiers":
        listed = (*self.high, *self.mid, *self.low)
        twice = sorted({code for code in listed if listed.count(code) > 1})
        if twice:
            raise ValueError(f"a language may be listed once only, not twice: {', '.join(twice)}")
        return self


class LanguageSettings(Section):
    """The language grid: trained on, evaluated on (null: all of the benchmark's), tiers (null: the benchmark's)."""

    train: tuple[Language, ...]
    evaluate: tuple[Language, ...] | None
    tiers: Tiers | None

    @model_validator(mode="after")
    def _no_repeats(self) -> "LanguageSettings":
        for field, codes in (("train", self.train), ("evaluate", self.evaluate or ())):
            twice = sorted({code for code in codes if codes.count(code) > 1})
            if twice:
                raise ValueError(f"languages.{field} lists a language twice: {', '.join(twice)}")
        return self


class CldrRecords(Section):
    """How many training records a language gets, by its tier."""

    high: Positive
    mid: Positive
    low: Positive


class CldrShape(Section):
    """What CLDR records look like, and the seed that draws them."""

    concepts_per_passage: Annotated[int, Field(ge=2, le=32)]
    concepts_per_question: Annotated[int, Field(ge=1, le=32)]
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _question_within_passage(self) -> "CldrShape":
        if self.concepts_per_question >= self.concepts_per_passage:
            raise ValueError("concepts_per_question must be smaller than concepts_per_passage")
        return self


class CldrData(CldrShape):
    """Embedded training data drawn from CLDR names; no download."""

    kind: Literal["cldr"]
    records: CldrRecords


class SquadData(Section):
    """Training data in SQuAD format with sentence_breaks: a public corpus or a folder of `<language>.json`."""

    kind: Literal["squad"]
    corpus: Name
    path: str | None
    context: bool
    max_questions: Positive | None


DataSettings = Annotated[CldrData | SquadData, Field(discriminator="kind")]


class CldrEvaluation(CldrShape):
    """Held-out CLDR records as a benchmark."""

    kind: Literal["cldr"]
    name: Name
    tiers: Tiers | None
    records: Positive


class SquadEvaluation(Section):
    """A LAReQA benchmark: one candidate a sentence, with or without its paragraph as context."""

    kind: Literal["squad"]
    name: Name
    tiers: Tiers | None
    path: str | None
    context: bool
    max_questions: Positive | None


EvaluationSettings = Annotated[CldrEvaluation | SquadEvaluation, Field(discriminator="kind")]


class EncoderSettings(Section):
    """What every encoder needs: how text goes in and how token states become one vector."""

    pooling: Literal["mean", "cls"]
    query_prefix: str
    passage_prefix: str
    max_query_tokens: Annotated[int, Field(ge=4, le=8192)]
    max_passage_tokens: Annotated[int, Field(ge=4, le=8192)]
    precision: Literal["float32", "bf16"]


class TinyModel(EncoderSettings):
    """A small Transformer encoder trained from scratch; its tokenizer is trained on the training text."""

    kind: Literal["tiny"]
    layers: Positive
    hidden_size: Positive
    heads: Positive
    vocabulary_size: Annotated[int, Field(ge=300)]
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _heads_divide(self) -> "TinyModel":
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be a multiple of heads ({self.heads})")
        return self


class HfModel(EncoderSettings):
    """Any Hugging Face encoder, by local folder or hub name."""

    kind: Literal["hf"]
    path: Annotated[str, Field(min_length=1)]
    revision: str | None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None


ModelSettings = Annotated[TinyModel | HfModel, Field(discriminator="kind")]


class RatioSettings(Section):
    """The hybrid mix: how often a batch is monolingual, and how languages are drawn."""

    monolingual: Probability
    language_sampling: Literal["uniform", "size", "temperature"]
    temperature: Annotated[float, Field(gt=0)]
    cross_batch: Literal["pair", "mixed"]


class TrainSettings(Section):
    """Contrastive fine-tuning. `temperature` divides the cosine similarities of InfoNCE."""

    steps: Positive
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    decay: Literal["linear", "cosine"]
    temperature: Annotated[float, Field(gt=0)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    log_every: Positive


def _same(value: Any) -> str:
    """Equal for values that are one point: 1 and 1.0, but not true."""
    return repr(float(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)


class Dimension(Section):
    """What one config path may be: exactly one of `grid` (all of these values), `choice` (one of them, searched),
    `float` or `int` (a range [low, high], searched; `log` for a logarithmic scale, `step` for a lattice)."""

    model_config = ConfigDict(populate_by_name=True)

    grid: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    float_range: tuple[float, float] | None = Field(default=None, alias="float")
    int_range: tuple[int, int] | None = Field(default=None, alias="int")
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None

    @property
    def ends(self) -> tuple[Any, ...]:
        """Every value of a list, both ends of a range: what must compose for the whole dimension to compose."""
        return self.grid or self.choice or self.float_range or self.int_range or ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        kinds = [self.grid, self.choice, self.float_range, self.int_range]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of grid, choice, float, int")
        bounds = self.float_range or self.int_range
        if bounds is None and (self.log or self.step):
            raise ValueError("log and step belong to float and int ranges")
        if bounds is not None and not bounds[0] < bounds[1]:
            raise ValueError(f"the range [{bounds[0]}, {bounds[1]}] is empty: low must be smaller than high")
        if bounds is not None and self.log and (bounds[0] <= 0 or self.step):
            raise ValueError("a log range needs low > 0 and takes no step")
        if self.int_range and self.step and not self.step.is_integer():
            raise ValueError(f"step={self.step}: an int range takes a whole step")
        if self.grid is not None and len(set(map(_same, self.grid))) != len(self.grid):
            raise ValueError("a grid lists a value twice")
        return self


class Objective(Section):
    """A metric key and which way is better."""

    metric: Annotated[str, Field(min_length=1)]
    direction: Literal["maximize", "minimize"]


class StudySettings(Section):
    """What is searched, for how long, and towards what."""

    name: Name
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    space: dict[str, Dimension]
    points: Positive | None
    search_seed: Annotated[int, Field(ge=0)]
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=1)]
    max_attempts: Positive
    retry_failed: bool

    @property
    def is_grid(self) -> bool:
        """Whether every dimension is a grid (or there is none), so that all points are known beforehand."""
        return all(dimension.grid is not None for dimension in self.space.values())

    @model_validator(mode="after")
    def _target_is_known(self) -> "StudySettings":
        if self.is_grid and self.points is not None:
            raise ValueError("points must be null for a grid: all of its points are run")
        if not self.is_grid and self.points is None:
            raise ValueError("points must say how many points to search, since the space is not a grid")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds lists a seed twice")
        return self


class LauncherSettings(Section):
    """One local worker of `processes` accelerate ranks. `threads: null` shares the cores among the ranks."""

    kind: Literal["local"]
    processes: Positive
    threads: Positive | None


class TrackingSettings(Section):
    """MLflow. `uri: null` is `mlflow.db` in the sweeps folder; otherwise any MLflow tracking URI."""

    uri: str | None


class EvaluateSettings(Section):
    """Settings of `python -m sweep.evaluate`: an encoder and a benchmark, no training."""

    paths: PathSettings
    languages: LanguageSettings
    evaluation: EvaluationSettings
    model: ModelSettings
    output: str | None
    threads: Positive | None


class Settings(Section):
    """Settings of one study, or of one point of it."""

    seed: Annotated[int, Field(ge=0)]
    paths: PathSettings
    languages: LanguageSettings
    data: DataSettings
    evaluation: EvaluationSettings
    model: ModelSettings
    ratio: RatioSettings
    train: TrainSettings
    study: StudySettings
    launcher: LauncherSettings
    tracking: TrackingSettings

    def trial_fingerprint(self) -> str:
        """SHA-256 (hex) of what a trial's result depends on; the study, launcher, tracking and paths may differ."""
        parts = (self.languages, self.data, self.evaluation, self.model, self.ratio, self.train)
        text = f"{self.seed}" + "".join(part.fingerprint() for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as config path -> value."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
