"""Hard negatives: which come into a batch, of which questions they are negatives, and the same on any ranks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from tests.unit.test_loss import slow_info_nce, slow_mask
from tests.unit.test_model import tiny
from tests.unit.test_plan import ratio, same
from tests.unit.test_squad import squad, squad_training_set, training, write

from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.errors import InputError
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.losses.info_nce import InfoNce, info_nce
from sweep.training.plan import Batch, BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable

LANGUAGES = ("en", "de")


def with_negatives() -> TrainingSet:
    """Three hard negatives a question: the next group's relevant passage, and two texts of no group. Group 0 has
    none in German; groups 8 and 9 share their passage."""
    rows = [
        TrainingRow(
            f"g{group}",
            code,
            f"ask {group} {code}",
            passage(group, code),
            ()
            if (group, code) == (0, "de")
            else (passage(group + 1, code), f"x {group} {code}", f"y {group} {code}"),
        )
        for group in range(10)
        for code in LANGUAGES
    ]
    return training_set(rows, LANGUAGES)


def passage(group: int, code: str) -> str:
    return f"moss {min(group % 10, 8)} {code}"


DATA = with_negatives()


def plan(hard: int, alpha: float = 0.5, seed: int = 0, cross: str = "mixed", size: int = 4) -> BatchPlan:
    return BatchPlan(DATA, ratio(alpha, cross=cross), size, seed, 4000, hard)


def texts(indices: Any) -> list[str]:
    return [DATA.texts[index] for index in indices]


@pytest.mark.parametrize("hard", [1, 2, 5])
@pytest.mark.parametrize("cross", ["pair", "mixed"])
def test_a_row_brings_negatives_of_its_question_in_its_passages_language(hard: int, cross: str) -> None:
    kinds = set()
    for step in range(60):
        batch = plan(hard, cross=cross).batch(step)
        kinds.add(batch.kind)
        allowed = {
            text
            for group, (_, answered) in zip(batch.group_b, batch.pairs, strict=True)
            for text in texts(DATA.negatives.of(int(group), LANGUAGES.index(answered)))
        }
        found = texts(batch.hard_n)
        assert set(found) <= allowed
        assert len(set(found)) == len(found)
        assert not set(found) & set(texts(batch.passage_b))
        if hard == 5:
            assert set(found) == allowed - set(texts(batch.passage_b))
    assert kinds == {"monolingual", "cross-lingual"}


def test_they_are_a_pure_function_and_leave_the_rows_as_they_are() -> None:
    in_sequence = [plan(2).batch(step) for step in range(20)]
    for step in (19, 3):
        alone = plan(2).batch(step)
        assert same(alone, in_sequence[step])
        assert np.array_equal(alone.hard_n, in_sequence[step].hard_n)
        assert same(alone, plan(0).batch(step))
        assert len(plan(0).batch(step).hard_n) == 0
    drawn = {tuple(texts(plan(1, alpha=1, size=2, seed=seed).batch(0).hard_n)) for seed in range(20)}
    assert len(drawn) > 10


def test_a_passage_that_answers_the_question_in_any_language_is_no_negative() -> None:
    """By the definition: text and groups looked up one by one."""
    hard = others = 0
    for step in range(200):
        batch = plan(3).batch(step)
        rows = len(batch.group_b)
        for row, group in enumerate(batch.group_b):
            for column, text in enumerate(texts([*batch.passage_b, *batch.hard_n])):
                relevant = any(text == passage(group, code) for code in LANGUAGES)
                assert bool(batch.negative_bc[row, column]) == (not relevant)
                hard += relevant and column >= rows
                others += relevant and column < rows and column != row
    assert hard > 20
    assert others > 20  # passages of another group of the batch: 8 and 9 share theirs, in either language


def test_data_without_negatives_is_refused() -> None:
    bare = training_set([TrainingRow(f"g{n}", "en", f"q{n}", f"p{n}") for n in range(4)], ("en",))
    with pytest.raises(InputError, match=r"train\.hard_negatives=1, but no question .* has negatives"):
        BatchPlan(bare, ratio(1.0), 2, 0, 10, 1)


def test_they_are_read_from_squad_files(tmp_path: Path) -> None:
    content = squad(question={"negatives": ["Rome is cold.", "Oslo is warm.", "Rome is cold."]})
    write(tmp_path, en=content, de=squad())
    data = squad_training_set(training(tmp_path), ("en", "de"), Path())
    assert data.texts.read(data.negatives.of(0, 0)) == ["Rome is cold.", "Oslo is warm."]
    assert len(data.negatives.text_n) == 2
    for wrong in ([""], "Rome is cold.", [3]):
        write(tmp_path, en=squad(question={"negatives": wrong}))
        with pytest.raises(InputError, match=r"en\.json: .*question 'q1': .*negatives"):
            squad_training_set(training(tmp_path), ("en",), Path())


# Loss and gradients ---------------------------------------------------------------------------------------------


def test_the_loss_is_its_definition() -> None:
    torch.manual_seed(0)
    query, candidate = (torch.nn.functional.normalize(torch.randn(size, 5), dim=-1) for size in (4, 7))
    group, text = [0, 1, 2, 3], [10, 11, 12, 13]
    hard_bn = torch.ones(4, 3, dtype=torch.bool)
    hard_bn[1, 2] = hard_bn[3, 0] = False
    mask = torch.cat([slow_mask(group, text), hard_bn], dim=1)
    found = info_nce(query, candidate, mask, 0.1)
    # The loop's own masks: a hard negative of question 1's group, and one with the text of question 3's passage.
    expected = slow_info_nce(query, candidate, [*group, -1, -2, 1], [*text, 13, 15, 16], 0.1)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(info_nce(query, candidate[:4], mask[:, :4], 0.1), found, atol=1e-3)


def retriever_of(cache: Path) -> Retriever:
    return tiny(cache, max_query_tokens=12, max_passage_tokens=12)


def step_of(retriever: Retriever, cache: Path, *overrides: str) -> ContrastiveStep:
    settings = load_settings(Composer("sweep", ["train.tokens_per_pass=100", *overrides])).train
    retriever.encoder.train()
    tokens = TokenTable(retriever, DATA, TokenCache(retriever, cache / "tokens"))
    return ContrastiveStep(retriever, tokens, settings, Accelerator(cpu=True), InfoNce(settings.temperature))


def gradients(retriever: Retriever) -> torch.Tensor:
    return torch.cat([p.grad.ravel() for p in retriever.encoder.parameters() if p.grad is not None])


@pytest.mark.parametrize("cached", ["false", "true"])
def test_a_step_is_the_plain_loss(cache: Path, cached: str) -> None:
    retriever, plain = retriever_of(cache), retriever_of(cache)
    number = next(step for step in range(100) if hard_masked(plan(2).batch(step)))
    batch = plan(2).batch(number)  # with one that is masked, so that the order of the candidates matters
    assert len(batch.hard_n) > 3
    loss_b = step_of(retriever, cache, f"train.gradient_cache={cached}")(batch)
    texts_by_role = {"query": batch.question_b, "passage": np.concatenate([batch.passage_b, batch.hard_n])}
    query, candidate = (
        plain.encoder(plain.collate(plain.tokenize(texts(indices), role).ids))
        for role, indices in texts_by_role.items()
    )
    mask = torch.as_tensor(batch.negative_bc)
    expected_b = info_nce(query, candidate, mask, 0.05)
    expected_b.mean().backward()
    torch.testing.assert_close(loss_b, expected_b.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients(retriever), gradients(plain), atol=1e-5, rtol=1e-3)
    without = step_of(retriever_of(cache), cache)(plan(0).batch(number))
    assert not torch.allclose(without, loss_b, atol=1e-3)


def hard_masked(batch: Batch) -> bool:
    """Whether a hard negative is no negative of some question of the batch."""
    return not batch.negative_bc[:, len(batch.passage_b) :].all()
