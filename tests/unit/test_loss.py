"""InfoNCE and its masks, against loops written from the definition."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from sweep.training.losses.info_nce import info_nce


def slow_info_nce(
    query: torch.Tensor, passage: torch.Tensor, group: list[int], text: list[int], temperature: float
) -> list[float]:
    losses = []
    for i in range(len(query)):
        positive = float(query[i] @ passage[i]) / temperature
        total = math.exp(positive)
        for j in range(len(passage)):
            if j != i and group[j] != group[i] and text[j] != text[i]:
                total += math.exp(float(query[i] @ passage[j]) / temperature)
        losses.append(math.log(total) - positive)
    return losses


def slow_mask(group: list[int], text: list[int]) -> torch.Tensor:
    return torch.tensor([[g != h and t != u for h, u in zip(group, text)] for g, t in zip(group, text)])  # noqa: B905


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_info_nce_is_its_definition(temperature: float) -> None:
    torch.manual_seed(0)
    query, passage = normalize(torch.randn(7, 5), dim=-1), normalize(torch.randn(7, 5), dim=-1)
    group, text = [0, 1, 2, 2, 3, 4, 5], [10, 11, 12, 13, 11, 14, 15]
    mask = slow_mask(group, text)
    expected = torch.tensor(slow_info_nce(query, passage, group, text, temperature))
    assert torch.allclose(info_nce(query, passage, mask, temperature), expected, atol=1e-5)
    no_mask = slow_mask(list(range(7)), list(range(7)))
    assert not torch.allclose(info_nce(query, passage, no_mask, temperature), expected, atol=1e-5)


def test_a_masked_passage_gets_no_gradient_from_the_question_it_is_masked_for() -> None:
    torch.manual_seed(1)
    query = normalize(torch.randn(3, 4), dim=-1)
    for group, touched in (([0, 1, 0], False), ([0, 1, 2], True)):
        passage = normalize(torch.randn(3, 4), dim=-1).requires_grad_()
        mask = slow_mask(group, [0, 1, 2])
        info_nce(query, passage, mask, 0.1)[0].backward()
        assert passage.grad is not None
        assert bool(passage.grad[2].any()) == touched
