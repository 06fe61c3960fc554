"""How many tokens texts are, for which no weights are needed."""

from collections.abc import Callable, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.model.ernie_m.split_pieces import ErnieMPieceTokenizer
from sweep.model.loading import load_tokenizer
from sweep.model.pretrained import check_pretrained
from sweep.model.resolution import resolved_model
from sweep.model.tokenizer import lower_cased
from sweep.settings import HfModel, ModelSettings


def token_counter(
    asked: ModelSettings,
) -> Callable[[Sequence[str], Literal["query", "passage"]], NDArray[np.int32]]:
    """Counts the tokens of each text in a role, prefix and special tokens included, and none cut. Raises
    InputError."""
    if asked.kind != "hf":
        raise InputError(
            f"model={asked.kind} has no tokenizer before it is trained; choose model=hf model.path=FOLDER"
        )
    check_pretrained(asked)
    settings = cast(HfModel, resolved_model(asked))
    tokenizer = load_tokenizer(settings)
    if settings.lower_case:
        lower_cased(tokenizer)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    prefixes = {"query": settings.query_prefix, "passage": settings.passage_prefix}

    def count(texts: Sequence[str], role: Literal["query", "passage"]) -> NDArray[np.int32]:
        whole = [prefixes[role] + text.encode(errors="replace").decode() for text in texts]
        if isinstance(tokenizer, ErnieMPieceTokenizer):
            encoded = backend.encode_batch_fast(tokenizer.parts(whole), is_pretokenized=True)
        else:
            encoded = backend.encode_batch_fast(whole)
        return np.array([len(one) for one in encoded], np.int32)

    return count
