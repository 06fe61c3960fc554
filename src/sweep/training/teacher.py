"""The frozen encoder whose embeddings a loss keeps to.

Shapes: b = rows of the global batch, g = size of its embeddings.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.model.batching import length_sorted_batches
from sweep.model.encoder import Retriever, Role
from sweep.model.registry import build_retriever
from sweep.model.teaching import teacher_model
from sweep.model.token_cache import TokenCache
from sweep.settings import DistillSettings, Settings
from sweep.training.losses.protocol import Targets
from sweep.training.plan import Batch
from sweep.training.spread import gathered, own_places
from sweep.training.tokens import TokenTable


class Teacher:
    """Embeds the texts of a batch, or their translations in the pivot language: without gradients and dropout, so
    that a text has the same embedding in every step but for rounding. Each rank embeds its share of the rows."""

    def __init__(
        self, retriever: Retriever, tokens: TokenTable, tokens_per_pass: int, accelerator: Accelerator
    ) -> None:
        self._retriever = retriever
        self._encoder = retriever.encoder.to(accelerator.device).eval().requires_grad_(False)
        self._tokens = tokens
        self._tokens_per_pass = tokens_per_pass
        self._accelerator = accelerator

    def __call__(self, batch: Batch) -> Targets:
        """The targets of a batch."""
        question_b, passage_b = (batch.question_b, batch.passage_b) if batch.pivots is None else batch.pivots
        (query_bg, has_query_b), (passage_bg, has_passage_b) = (
            self._embedded("query", question_b),
            self._embedded("passage", passage_b),
        )
        return Targets(query_bg, passage_bg, has_query_b, has_passage_b)

    def _embedded(self, role: Role, text_b: NDArray[np.int32]) -> tuple[Tensor, Tensor]:
        """Embeddings of these texts (b, g), and which of them there are (b); -1 is none."""
        device = self._accelerator.device
        has_b = torch.from_numpy(text_b >= 0).to(device)
        embedding_bg = torch.zeros(len(text_b), self._encoder.embedding_size, device=device)
        present = text_b[text_b >= 0]
        if len(present):
            own_ng = self._own_embeddings(role, present[own_places(len(present), self._accelerator)])
            embedding_bg[has_b] = gathered(own_ng, len(present), self._accelerator)
        return embedding_bg, has_b

    @torch.no_grad()
    def _own_embeddings(self, role: Role, text_n: NDArray[np.int32]) -> Tensor:
        ids = self._tokens.of(role, text_n)
        device = self._accelerator.device
        lengths = [len(sequence) for sequence in ids]
        embedding_ng = torch.zeros(len(ids), self._encoder.embedding_size, device=device)
        for part in length_sorted_batches(lengths, self._tokens_per_pass, padded=not self._encoder.packs):
            batch = self._retriever.collate([ids[place] for place in part], device)
            embedding_ng[torch.from_numpy(part).to(device)] = self._encoder(batch)
        return embedding_ng


def make_teacher(
    settings: Settings,
    student: Retriever,
    data: TrainingSet,
    cache: Path,
    accelerator: Accelerator,
    on_note: Callable[[str], None] = lambda note: None,
) -> Teacher:
    """The teacher that `loss.teacher` names. The untouched encoder is built anew, since that of the trial is trained,
    may lack word embeddings, or may lie in parts on the ranks.

    Raises InputError if it cannot be loaded, or if its embeddings cannot be compared with the student's.
    """
    loss = settings.loss
    assert isinstance(loss, DistillSettings)
    model = teacher_model(settings) or settings.model
    with torch.random.fork_rng(devices=[]):  # what loading draws is no matter of the student's dropout
        retriever = build_retriever(model, data.texts, cache, settings.seed)
    sizes = retriever.encoder.embedding_size, student.encoder.embedding_size
    if loss.compare == "embeddings" and sizes[0] != sizes[1]:
        raise InputError(
            f"loss.teacher={loss.teacher}: its embeddings have {sizes[0]} numbers, those of the model {sizes[1]}; "
            "set loss.compare=similarities, or choose a teacher of the same size"
        )
    on_note(f"the teacher is {loss.teacher}: embeddings of {sizes[0]} numbers")
    tokens = TokenTable(retriever, data, TokenCache(retriever, cache / "tokens", on_note))
    return Teacher(retriever, tokens, settings.train.tokens_per_pass, accelerator)
