"""The encoder, and the training."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from sweep.settings.base import Positive, Section, matching
from sweep.settings.pretraining import Pretraining

AUTO: Literal["auto"] = "auto"  # what the model's own folder says
POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken")


def pooling_modes(pooling: str) -> tuple[str, ...]:
    """What is computed of the token states; several are put one after another. The pooler begins with `cls`."""
    return ("cls",) if pooling == "pooler" else tuple(pooling.split("+"))


def _is_pooling(pooling: str) -> str:
    modes = pooling.split("+")
    if pooling in (AUTO, "pooler") or (set(modes) <= set(POOLING_MODES) and len(set(modes)) == len(modes)):
        return pooling
    raise ValueError(
        f"'{pooling}' is no pooling; choose auto, pooler, or one or several (a+b) of {', '.join(POOLING_MODES)}"
    )


class EncoderSettings(Section):
    """What every encoder needs: how text goes in and how token states become one vector.

    `pooling`: the mean of all token states, the first token's state (`cls`), their maximum, their sum over the root
    of their number (`mean_sqrt_len`), their mean weighted by position (`weightedmean`), the last token's state,
    several of these (`cls+mean`), or the first token's state through the encoder's own dense layer (`pooler`).
    """

    pooling: Annotated[str, AfterValidator(_is_pooling)]
    query_prefix: str
    passage_prefix: str
    max_query_tokens: Annotated[int, Field(ge=4, le=8192)]
    max_passage_tokens: Annotated[int, Field(ge=4, le=8192)]
    precision: Literal["float32", "bf16"]


class TinyModel(EncoderSettings):
    """A small Transformer encoder trained from scratch; its tokenizer is trained on the training text."""

    pretrained: ClassVar[bool] = False  # nothing to check before, or to evaluate before training
    restrict_vocabulary: ClassVar[bool] = False
    lora: ClassVar[None] = None
    pretrained_on: ClassVar[None] = None
    title: ClassVar[str] = "a small encoder trained from scratch"

    kind: Literal["tiny"]
    layers: Positive
    hidden_size: Positive
    heads: Positive
    vocabulary_size: Annotated[int, Field(ge=300)]
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _has_no_pooler(self) -> "TinyModel":
        if self.pooling == "pooler":
            raise ValueError("pooling=pooler needs a pretrained model with a pooler; choose mean or cls")
        return self

    @model_validator(mode="after")
    def _has_no_folder(self) -> "TinyModel":
        for name in ("pooling", "query_prefix", "passage_prefix"):
            if getattr(self, name) == AUTO:
                raise ValueError(f"{name}=auto is what a pretrained model's folder says; a new model has none")
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> "TinyModel":
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be a multiple of heads ({self.heads})")
        return self


class LoraSettings(Section):
    """Adapters of so many ranks, scaled by alpha / rank; `target_modules`: names of linear layers, or the ends of
    their names (null: all linear layers)."""

    rank: Positive
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    target_modules: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None


class HfModel(EncoderSettings):
    """Any Hugging Face encoder, by local folder or hub name. `restrict_vocabulary`: train only the word embeddings
    that occur in training and evaluation text. `lora`: train adapters alone; the exported model has them merged.

    `auto` is what the folder says in the files of sentence-transformers (`sweep.model.resolution`): its pooling, the
    layers behind it (`head`), its prompts, and whether texts are lower-cased. What results depend on, and are named
    by, is what that came to be. `trust_remote_code`: run Python code that comes with the model, where it has any;
    else such a model is refused. `pretrained_on`: the languages it has read, of the tier `seen_by_model`."""

    UNRELATED: ClassVar[frozenset[str]] = frozenset({"trust_remote_code"})
    pretrained: ClassVar[bool] = True

    kind: Literal["hf"]
    path: Annotated[str, Field(min_length=1)]
    revision: str | None
    trust_remote_code: bool
    pretrained_on: Pretraining
    head: Literal["auto", "folder", "none"]
    lower_case: Literal["auto"] | bool
    restrict_vocabulary: bool
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    lora: LoraSettings | None

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return self.path

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without what is not there or not known: studies were begun before any of it was."""
        nothing = {"head": "none", "lower_case": False, "pretrained_on": None}
        return super().plain(but | {name for name, value in nothing.items() if getattr(self, name) == value})


ModelSettings = Annotated[TinyModel | HfModel, Field(discriminator="kind")]


class FrozenSettings(Section):
    """What of the encoder stays as it is: the word embeddings, and so many layers from the bottom."""

    embeddings: bool
    layers: Annotated[int, Field(ge=0)]


class ValidationSettings(Section):
    """Evaluation while training: after every `every_steps` steps (null: never), on so many translation groups of the
    training data, which are held out of training."""

    every_steps: Positive | None
    groups: Positive


_STOPS_BY = matching(
    "validation/((mono|cross|pooled)/map|pooled/alignment_consistency)(/.*)?",
    "validation/mono/map, validation/cross/map, validation/pooled/map or validation/pooled/alignment_consistency",
)


class EarlyStoppingSettings(Section):
    """Training ends when `metric` has not grown by more than `min_delta` in `patience` validations (null: it never
    does); then, and at the regular end, the weights of the best validation are taken."""

    patience: Positive | None
    metric: Annotated[str, _STOPS_BY]
    min_delta: Annotated[float, Field(ge=0)]


class TrainSettings(Section):
    """Contrastive fine-tuning. `temperature` divides the cosine similarities of InfoNCE; `tokens_per_pass` is how
    many tokens, padding included, go through the encoder at a time. With `layer_decay` d the learning rate of a layer
    is d times that of the layer above it. Biases and the weights of normalisation have no weight decay. A step takes
    `accumulate_batches` batches, each with negatives of its own alone. `hard_negatives`: how many of its question's
    hard negatives a row brings into the batch, where the data has any. Training ends after `max_minutes`, if that is
    set, wherever it is; `compile` has torch compile the encoder. With `fused_optimizer` a CPU updates a parameter in
    one pass over its memory; a training that goes on from a checkpoint keeps the optimizer that it began with."""

    UNRELATED: ClassVar[frozenset[str]] = frozenset({"checkpoint_steps", "checkpoint_minutes"})
    ROUNDING: ClassVar[frozenset[str]] = frozenset(
        {"tokens_per_pass", "gradient_cache", "recompute_activations", "compile", "fused_optimizer"}
    )

    steps: Positive
    batch_size: Annotated[int, Field(ge=2)]
    hard_negatives: Annotated[int, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    frozen: FrozenSettings
    warmup_steps: Annotated[int, Field(ge=0)]
    decay: Literal["linear", "cosine"]
    temperature: Annotated[float, Field(gt=0)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    log_every: Positive
    accumulate_batches: Positive
    tokens_per_pass: Positive
    gradient_cache: bool
    recompute_activations: bool
    compile: bool
    fused_optimizer: bool
    validation: ValidationSettings
    early_stopping: EarlyStoppingSettings
    max_minutes: Annotated[float, Field(gt=0)] | None
    checkpoint_steps: Positive | None
    checkpoint_minutes: Annotated[float, Field(gt=0)]

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without what version 0.1 did not have: it named studies by all of these, also by those
        that change only the rounding."""
        return super().plain(but | {"fused_optimizer"})

    @model_validator(mode="after")
    def _stopping_needs_validation(self) -> "TrainSettings":
        if self.early_stopping.patience is not None and self.validation.every_steps is None:
            raise ValueError("early_stopping needs validations: set validation.every_steps")
        return self
