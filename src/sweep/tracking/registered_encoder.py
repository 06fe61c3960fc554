"""A model in MLflow's registry that gives embeddings of texts.

MLflow keeps this file with the model ("models from code") and runs it where the model is loaded, by
`mlflow.pyfunc.load_model`. There it needs mlflow and sentence-transformers, and nothing of this package.
"""

from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from numpy.typing import NDArray

PROMPTS = {"query": "query", "passage": "document"}  # by the kind of a text, as sentence-transformers names them


class RegisteredEncoder(PythonModel):
    """Encodes texts, each with the prompt of its kind."""

    def load_context(self, context: Any) -> None:
        """Load the sentence-transformers folder that is kept with this file."""
        from sentence_transformers import SentenceTransformer

        self._encoder: Any = SentenceTransformer(context.artifacts["encoder"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings (n, h) of the texts in the column `text`.

        A text whose `kind` is query or passage is encoded with that prompt, and one without a kind as it is. A model
        that removes the language from its embeddings needs the column `language`. Raises ValueError for another kind,
        and for what is no text.
        """
        is_plain = isinstance(model_input, list) and all(isinstance(one, str) for one in model_input)
        frame = pd.DataFrame({"text": model_input} if is_plain else model_input)
        texts = frame["text"].tolist()
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ValueError(f"the column text has {wrong[0]!r}, which is no text")
        if not texts:
            return np.zeros((0, self._encoder.get_sentence_embedding_dimension()), np.float32)
        rows_of: dict[tuple[str | None, str | None], list[int]] = {}
        for row, group in enumerate(zip(_column(frame, "kind"), _column(frame, "language"), strict=True)):
            rows_of.setdefault(group, []).append(row)
        parts_nh = [
            self._encode([texts[row] for row in rows], kind, language) for (kind, language), rows in rows_of.items()
        ]
        order = np.argsort(np.concatenate([np.array(rows) for rows in rows_of.values()]))
        return np.concatenate(parts_nh)[order]

    def _encode(self, texts: list[str], kind: str | None, language: str | None) -> NDArray[np.float32]:
        if kind is not None and kind not in PROMPTS:
            raise ValueError(f"the column kind has {kind!r}; it may be query, passage or empty")
        asked: dict[str, str] = {} if kind is None else {"prompt_name": PROMPTS[kind]}
        if language is not None:
            asked["task"] = language
        embeddings_nh = self._encoder.encode(texts, show_progress_bar=False, convert_to_numpy=True, **asked)
        return np.asarray(embeddings_nh, np.float32)


def _column(frame: pd.DataFrame, name: str) -> list[str | None]:
    """The cells of a column, None where it is empty or is not there."""
    if name not in frame:
        return [None] * len(frame)
    return [None if pd.isna(cell) or cell == "" else str(cell) for cell in frame[name]]


set_model(RegisteredEncoder())
