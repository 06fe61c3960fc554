"""Token ids of the training texts: tokenised once a study, or, of very many texts, when a step needs them."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.data.texts import Texts
from sweep.data.training_set import TrainingSet
from sweep.model.encoder import ROLES, Retriever, Role
from sweep.model.token_cache import TokenCache, TokenIds

MOST_BEFOREHAND = 1_000_000  # texts; of more, a training sees but a few


def training_tokens(data: TrainingSet, role: Role, cache: TokenCache) -> TokenIds:
    """Token ids of the questions, or of the passages and hard negatives, of the full vocabulary, in the order of
    `TrainingSet.texts_of`."""
    used = data.texts_of(role)
    digest = hashlib.sha256(data.digest.encode() + used.tobytes()).hexdigest()
    return cache.of(Texts(len(used), lambda rows: data.texts.read(used[rows]), digest), role)


class TokenTable:
    """Token ids of the training texts by text index and role, as rows of the retriever's word embeddings.

    `on_note` gets a line on how many texts are longer than the model's limit, if all are tokenised beforehand.
    """

    def __init__(
        self,
        retriever: Retriever,
        data: TrainingSet,
        cache: TokenCache,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> None:
        self._retriever = retriever
        self._data = data
        self._beforehand: dict[Role, tuple[TokenIds, NDArray[np.int32]]] = {}
        if len(data.texts) > MOST_BEFOREHAND and retriever.vocabulary is None:
            on_note(f"{len(data.texts):,} training texts: each is tokenised when a step needs it")
            return
        for role in ROLES:
            ids = training_tokens(data, role, cache)
            self._beforehand[role] = ids, data.texts_of(role)
            cut = ids.truncated()
            if cut:
                on_note(
                    f"{cut:,} distinct training {role} texts are longer than model.max_{role}_tokens and were cut"
                )

    def of(
        self, role: Role, indices: Any, instead: Mapping[int, str] | None = None
    ) -> list[NDArray[np.integer[Any]]]:
        """Token ids of the texts with these indices; `instead` are other texts by their places among these."""
        ids = self._of(role, indices)
        if instead:
            for place, own in zip(instead, self._retriever.tokenize([*instead.values()], role).ids, strict=True):
                ids[place] = own
        return ids

    def _of(self, role: Role, indices: Any) -> list[NDArray[np.integer[Any]]]:
        if role not in self._beforehand:
            return list(self._retriever.tokenize(self._data.texts.read(indices), role).ids)
        ids, used = self._beforehand[role]
        return self._retriever.places(ids.of(used.searchsorted(indices)))

    def count(self, role: Role, indices: Any, instead: Mapping[int, str] | None = None) -> int | None:
        """How many tokens these texts have; None where each is tokenised when a step needs it."""
        if role not in self._beforehand:
            return None
        return sum(map(len, self.of(role, indices, instead)))
