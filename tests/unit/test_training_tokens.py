"""Token ids of training texts: the same whether all are tokenised beforehand or each when a step needs it."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_model import tiny
from tests.unit.test_vocabulary import ROWS

from sweep.data.training_set import training_set
from sweep.model.encoder import ROLES
from sweep.model.token_cache import TokenCache
from sweep.training import tokens as module
from sweep.training.tokens import TokenTable, training_tokens


def test_of_many_texts_each_is_tokenised_when_it_is_needed(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever, data = tiny(cache, max_passage_tokens=4), training_set(ROWS, ("en", "de"))
    notes: list[str] = []
    beforehand = TokenTable(retriever, data, TokenCache(retriever, tmp_path), notes.append)
    monkeypatch.setattr(module, "MOST_BEFOREHAND", 10)
    each = TokenTable(retriever, data, TokenCache(retriever, tmp_path / "none"), notes.append)
    for role in ROLES:
        texts = data.texts_of(role)[::-1]
        expected = retriever.tokenize(data.texts.read(texts), role).ids
        for table in (beforehand, each):
            assert [ids.tolist() for ids in table.of(role, texts)] == [ids.tolist() for ids in expected]
    assert notes[-1] == f"{len(data.texts)} training texts: each is tokenised when a step needs it"
    assert not (tmp_path / "none").exists()


def test_what_is_left_out_is_not_tokenised(cache: Path, tmp_path: Path) -> None:
    retriever, data = tiny(cache), training_set(ROWS, ("en", "de"))
    left = data.without(np.array([0, 1]))
    tokens = TokenCache(retriever, tmp_path)
    # Questions are the same in both languages here, and passages are not.
    assert [len(training_tokens(left, role, tokens)) for role in ROLES] == [10, 20]
    assert [len(training_tokens(data, role, tokens)) for role in ROLES] == [12, 24]
