"""A Transformer encoder with pooling: the module that is trained, and the tokenizer that feeds it.

Shapes: b = sequences, t = tokens, h = hidden size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sweep.model.distributed_tensors import whole
from sweep.model.head import Head
from sweep.model.packing import PACKED, PackedBatch, by_sequence, can_pack, pack, packed_states
from sweep.model.pooling import pool
from sweep.model.tokenizer import tokenizer_fingerprint
from sweep.settings import EncoderSettings, pooling_modes

Role = Literal["query", "passage"]
ROLES: tuple[Role, ...] = ("query", "passage")
BYTES_PER_WEIGHT = 4  # float32
BYTES_PER_TRAINED_WEIGHT = 4 * BYTES_PER_WEIGHT  # weight, gradient, and Adam's two moments


class TokenBatch(NamedTuple):
    """Padded token ids and their mask (1 = token, 0 = padding), both int64."""

    input_ids_bt: Tensor
    mask_bt: Tensor


class Encoder(nn.Module):
    """A Hugging Face backbone, a pooling of its last hidden states and the layers behind that, if there are any
    (`head`); L2-normalised, in float32.

    `precision` alone decides what the backbone computes in, in training and in evaluation, on every device: "float32"
    also within somebody's autocast, so that ranks on a GPU are those of a CPU but for rounding, or "bf16".
    """

    def __init__(self, backbone: Any, pooling: str, precision: str, head: Head | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.hidden_size: int = backbone.config.hidden_size
        # Kept: a restricted vocabulary leaves the backbone fewer, and token ids are still those of all.
        self.rows = int(backbone.get_input_embeddings().num_embeddings)
        self.pooling = pooling
        self.modes = pooling_modes(pooling)
        self.precision = precision
        self._compiled = False
        if can_pack(backbone):
            backbone.set_attn_implementation(PACKED)

    @property
    def embedding_size(self) -> int:
        """How many numbers an embedding has."""
        pooled = len(self.modes) * self.hidden_size
        return pooled if self.head is None else self.head.embedding_size or pooled

    @property
    def packs(self) -> bool:
        """Whether batches are packed: on CPUs, where a padding token costs as much as any other. A GPU is faster with
        few large kernels."""
        return bool(self.backbone.device.type == "cpu") and can_pack(self.backbone) and not self._compiled

    def compile_backbone(self, backend: str = "inductor") -> None:
        """Have torch compile the backbone, in place: its parameters keep their names. Batches are padded from then
        on, since a packed one would be compiled anew for every set of lengths."""
        self.backbone.compile(dynamic=True, backend=backend)
        self._compiled = True

    def forward(self, batch: TokenBatch | PackedBatch) -> Tensor:
        """Embeddings (b, h) of a batch; h is the embedding size."""
        pooled_bh = self._of_packed(batch) if isinstance(batch, PackedBatch) else self._of_padded(batch)
        if self.head is not None:
            with torch.autocast(pooled_bh.device.type, enabled=False):
                pooled_bh = self.head(pooled_bh)
        return nn.functional.normalize(pooled_bh, dim=-1)

    def _autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def _of_packed(self, batch: PackedBatch) -> Tensor:
        with self._autocast(batch.input_ids_1n.device):
            states_nh = packed_states(self.backbone, batch)
            parts = by_sequence(states_nh, batch)
            if self.pooling == "pooler":
                pooled_bh = self._pooler(torch.cat([states_bth[:, :1] for states_bth in parts]))
            else:
                pooled_bh = torch.cat([pool(states_bth.float(), self.modes) for states_bth in parts])
        return pooled_bh[batch.place_b]

    def _of_padded(self, batch: TokenBatch) -> Tensor:
        with self._autocast(batch.input_ids_bt.device):
            output = self.backbone(input_ids=batch.input_ids_bt, attention_mask=batch.mask_bt)
            if self.pooling == "pooler":
                return self._pooler(output.last_hidden_state)
        return pool(output.last_hidden_state.float(), self.modes, batch.mask_bt)

    def _pooler(self, states_bth: Tensor) -> Tensor:
        """The first token's state through the model's own dense layer."""
        first_bh: Tensor = self.backbone.pooler(states_bth)
        return first_bh.float()


TokenArray = NDArray[np.integer[Any]]


class Tokenized(NamedTuple):
    """Token ids of each text, and how many texts were longer than the role's limit and were cut."""

    ids: list[TokenArray]
    truncated: int


class WholeTokenized(NamedTuple):
    """Token ids of each text in the full vocabulary, and whether it was longer than the role's limit and was cut."""

    ids: list[list[int]]
    cut: list[bool]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Which rows of the full vocabulary are kept, ascending. Token ids are their places among these."""

    kept: NDArray[np.int64]
    full_size: int

    @cached_property
    def _place(self) -> NDArray[np.int64]:
        place = np.full(self.full_size, -1)
        place[self.kept] = np.arange(len(self.kept))
        return place

    def place(self, token: int) -> int:
        """The row of a token that was kept."""
        return int(self._place[token])

    def places(self, ids: Sequence[TokenArray]) -> list[TokenArray]:
        """Token ids as rows of the restricted embeddings. Raises KeyError for a token that was not kept."""
        places: list[TokenArray] = [self._place[sequence] for sequence in ids]
        for sequence, rows in zip(ids, places, strict=True):
            if (rows < 0).any():
                raise KeyError(f"token {sequence[int((rows < 0).argmax())]} is not in the restricted vocabulary")
        return places

    def saved_bytes(self, hidden_size: int, trained: bool = True) -> int:
        """Memory that is saved, in float32 with Adam; without gradients and moments if embeddings are frozen."""
        per_weight = BYTES_PER_TRAINED_WEIGHT if trained else BYTES_PER_WEIGHT
        return (self.full_size - len(self.kept)) * hidden_size * per_weight


@dataclass(frozen=True, eq=False)
class Retriever:
    """An encoder with its tokenizer and the way it wants text: prefixes and maximal lengths."""

    encoder: Encoder
    tokenizer: Any
    settings: EncoderSettings
    vocabulary: Vocabulary | None = None  # restricted; None: all of the tokenizer's

    def prefix_and_limit(self, role: Role) -> tuple[str, int]:
        """What is put before a text, and the maximal number of tokens of both."""
        if role == "query":
            return self.settings.query_prefix, self.settings.max_query_tokens
        return self.settings.passage_prefix, self.settings.max_passage_tokens

    def tokenize(self, texts: Sequence[str], role: Role) -> Tokenized:
        """Token ids of each text, prefix included, truncated to the role's maximal number of tokens."""
        whole = self.tokenize_whole(texts, role)
        return Tokenized(self.places([np.array(sequence, np.int32) for sequence in whole.ids]), sum(whole.cut))

    def tokenize_whole(self, texts: Sequence[str], role: Role) -> WholeTokenized:
        """As `tokenize`, but in the full vocabulary even where only a part of it is trained."""
        prefix, limit = self.prefix_and_limit(role)
        if not texts:
            return WholeTokenized([], [])
        encoded = self.tokenizer([prefix + text for text in texts], truncation=True, max_length=limit)
        # An encoder takes at least one token, and not every tokenizer adds some to a text that has none.
        ids = [sequence or [self._stand_in] for sequence in encoded["input_ids"]]
        if len(self.tokenizer) > self.rows:  # special tokens that the encoder has no embedding of
            ids = [[token if token < self.rows else self._stand_in for token in sequence] for sequence in ids]
        return WholeTokenized(ids, [bool(encoding.overflowing) for encoding in encoded.encodings])

    @property
    def rows(self) -> int:
        """How many tokens have an embedding, in the full vocabulary."""
        return self.encoder.rows

    @property
    def _padding(self) -> int:
        """The row of the word embeddings that fills up a batch."""
        token = int(self.tokenizer.pad_token_id)
        return token if self.vocabulary is None else self.vocabulary.place(token)

    @property
    def _stand_in(self) -> int:
        """A token for a text without any: the unknown one, or else one that is in no text."""
        known = self.tokenizer.unk_token_id, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        return int(next(token for token in known if token is not None))

    def places(self, ids: Sequence[TokenArray]) -> list[TokenArray]:
        """Token ids of the full vocabulary as rows of the word embeddings."""
        return list(ids) if self.vocabulary is None else self.vocabulary.places(ids)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that an embedding depends on: weights, tokenizer and settings."""
        digest = hashlib.sha256(tokenizer_fingerprint(self.tokenizer).encode())
        digest.update(self.settings.fingerprint(but=frozenset({"pretrained_on"})).encode())
        if self.vocabulary is not None:
            digest.update(self.vocabulary.kept.tobytes())
        for name, weight in sorted(self.encoder.state_dict().items()):
            digest.update(name.encode())
            digest.update(whole(weight).cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def collate(
        self, ids: Sequence[Sequence[int] | TokenArray], device: torch.device | str = "cpu"
    ) -> TokenBatch | PackedBatch:
        """Sequences as the encoder takes them: packed, or padded to the longest of the batch."""
        if self.encoder.packs:
            return pack(ids, self.encoder.backbone, device)
        length_b = np.array([len(sequence) for sequence in ids])
        mask_bt = np.arange(length_b.max()) < length_b[:, None]
        input_ids_bt = np.full(mask_bt.shape, self._padding, np.int64)
        input_ids_bt[mask_bt] = np.concatenate(ids)
        return TokenBatch(
            torch.from_numpy(input_ids_bt).to(device), torch.from_numpy(mask_bt.astype(np.int64)).to(device)
        )
