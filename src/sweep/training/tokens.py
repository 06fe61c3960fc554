"""Token ids of the training texts, tokenised once a study."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.texts import texts_in_memory
from sweep.data.training_set import ABSENT, TrainingSet
from sweep.model.encoder import ROLES, Retriever, Role
from sweep.model.token_cache import TokenCache, TokenIds


class RoleTokens(NamedTuple):
    """Token ids of all training texts of a role, and the row that each text of the training set has in them."""

    ids: TokenIds
    row_of_text: NDArray[np.int64]


def training_tokens(data: TrainingSet, role: Role, cache: TokenCache) -> RoleTokens:
    """Token ids of the questions, or of the passages and hard negatives, of the full vocabulary."""
    used = data.texts_of(role)
    texts, row_of_used = texts_in_memory([data.texts[index] for index in used])
    row_of_text = np.full(len(data.texts), ABSENT, np.int64)
    row_of_text[used] = row_of_used
    return RoleTokens(cache.of(texts, role), row_of_text)


class TokenTable:
    """Token ids of the training texts by text index and role, as rows of the retriever's word embeddings.

    `on_note` gets a line on how many texts are longer than the model's limit.
    """

    def __init__(
        self,
        retriever: Retriever,
        data: TrainingSet,
        cache: TokenCache,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> None:
        self._retriever = retriever
        self._tokens: dict[Role, RoleTokens] = {}
        for role in ROLES:
            self._tokens[role] = training_tokens(data, role, cache)
            cut = self._tokens[role].ids.truncated()
            if cut:
                on_note(
                    f"{cut:,} distinct training {role} texts are longer than model.max_{role}_tokens and were cut"
                )

    def of(self, role: Role, indices: Any) -> list[NDArray[np.integer[Any]]]:
        """Token ids of the texts with these indices."""
        ids, row_of_text = self._tokens[role]
        return self._retriever.places(ids.of(row_of_text[indices]))
