"""Token ids of the training texts, tokenised once."""

from typing import Any

from sweep.data.training_set import TrainingSet
from sweep.model.encoder import Retriever, Role


class TokenTable:
    """Token ids of the training texts by text index and role."""

    def __init__(self, retriever: Retriever, data: TrainingSet) -> None:
        self._ids: dict[Role, dict[int, list[int]]] = {}
        cells_by_role: dict[Role, Any] = {"query": data.question_gl, "passage": data.passage_gl}
        for role, cells in cells_by_role.items():
            used = sorted({int(index) for index in cells.ravel() if index >= 0})
            tokens = retriever.tokenize([data.texts[index] for index in used], role).ids
            self._ids[role] = dict(zip(used, tokens, strict=True))

    def of(self, role: Role, indices: Any) -> list[list[int]]:
        """Token ids of the texts with these indices."""
        return [self._ids[role][int(index)] for index in indices]
