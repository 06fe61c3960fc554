"""Which family of encoders a `kind` names. A new one: its module, its settings, and a line here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from sweep.model.encoder import Retriever
from sweep.model.from_scratch import FromScratch
from sweep.model.pretrained import Pretrained
from sweep.settings import ModelSettings


class Family(Protocol):
    """How encoders of one `kind` come about. Facts that need no weights are properties of their settings:
    `pretrained` (it can be evaluated before any training), `restrict_vocabulary`, `lora`, `title` (for the card)."""

    def check(self, settings: Any) -> None:
        """Whether the encoder can be built, before any trial starts. Raises InputError."""
        ...

    def build(self, settings: Any, training_texts: Sequence[str], cache: Path, seed: int) -> Retriever:
        """A retriever ready to train. Raises InputError."""
        ...

    def word_embeddings(self, settings: Any, cache: Path) -> Tensor:
        """All word embeddings (v, h) as they were before any training."""
        ...


FAMILIES: dict[str, Family] = {
    "tiny": FromScratch(),
    "hf": Pretrained(),
}


def check_encoder(settings: ModelSettings) -> None:
    """A quick look, before any trial starts, at whether the encoder can be built. Raises InputError."""
    FAMILIES[settings.kind].check(settings)


def build_retriever(settings: ModelSettings, training_texts: Sequence[str], cache: Path, seed: int) -> Retriever:
    """A retriever ready to train. `training_texts` train the tokenizer of a from-scratch model; `seed` its weights.

    Raises InputError if a pretrained model cannot be loaded.
    """
    return FAMILIES[settings.kind].build(settings, training_texts, cache, seed)


def untrained_word_embeddings(settings: ModelSettings, cache: Path) -> Tensor:
    """All word embeddings (v, h) of a pretrained encoder as they are published."""
    return FAMILIES[settings.kind].word_embeddings(settings, cache)
