"""The loss that takes the language out: against naive forms, over steps, and through kills."""

import math
from pathlib import Path

import pytest
import torch
from tests.unit.test_checkpoint import run
from tests.unit.test_training import trained
from torch.nn.functional import normalize

from sweep.settings import DebiasSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.losses.debias import Debias, mean_penalty, subspace_penalty
from sweep.training.losses.info_nce import InfoNce
from sweep.training.losses.protocol import Embeddings, LossBatch, Stateful
from sweep.training.losses.registry import make_loss

PAIRS = (("en", "sw"), ("sw", "sw"), ("de", "en"), ("en", "de"), ("en", "en"))
DEBIAS = ("loss=debias", "loss.weight=3.0")
Vector = list[float]


def embeddings(hard: int = 2, seed: int = 0) -> Embeddings:
    torch.manual_seed(seed)
    query, candidate = torch.randn(len(PAIRS), 6), torch.randn(len(PAIRS) + hard, 6)
    return Embeddings(normalize(query, dim=-1).requires_grad_(), normalize(candidate, dim=-1).requires_grad_())


def batch(pairs: tuple[tuple[str, str], ...] = PAIRS, hard: int = 2) -> LossBatch:
    negative_bc = ~torch.eye(len(pairs), len(pairs) + hard, dtype=torch.bool)
    kind = "monolingual" if all(one == other for one, other in pairs) else "cross-lingual"
    text_b = torch.arange(len(pairs))
    return LossBatch(kind, pairs, negative_bc, text_b, text_b)  # type: ignore[arg-type]


def loss_of(penalty: str, momentum: float | None, weight: float = 3.0, directions: int = 1) -> Debias:
    return Debias(InfoNce(0.1), weight, penalty, directions, momentum)  # type: ignore[arg-type]


def mean(vectors: list[Vector]) -> Vector:
    return [sum(numbers) / len(vectors) for numbers in zip(*vectors, strict=True)]


def by_language(of: Embeddings, pairs: tuple[tuple[str, str], ...]) -> dict[str, list[Vector]]:
    texts: dict[str, list[Vector]] = {}
    for row, (asked, answered) in enumerate(pairs):
        texts.setdefault(asked, []).append(of.query_bh[row].tolist())
        texts.setdefault(answered, []).append(of.candidate_ch[row].tolist())
    return texts


def slow_mean_penalty(means: dict[str, Vector], own: set[str]) -> float:
    centre = mean(list(means.values()))
    return sum(sum((a - b) ** 2 for a, b in zip(means[code], centre, strict=True)) for code in own) / len(own)


def test_the_penalty_of_a_batch_is_its_definition_with_its_gradient() -> None:
    of = embeddings()
    texts = by_language(of, PAIRS)
    expected = slow_mean_penalty({code: mean(vectors) for code, vectors in texts.items()}, set(texts))
    loss_b = loss_of("mean", None)(of, batch())
    plain_b = InfoNce(0.1)(of, batch())
    assert expected > 0.05
    torch.testing.assert_close(loss_b - plain_b, torch.full((len(PAIRS),), 3 * expected), atol=1e-5, rtol=1e-5)
    (loss_b - plain_b).mean().backward()
    gradient = of.query_bh.grad
    assert gradient is not None
    moved = of.query_bh.detach().clone()
    moved[1, 2] += 1e-2
    shifted = by_language(Embeddings(moved, of.candidate_ch), PAIRS)
    after = slow_mean_penalty({code: mean(vectors) for code, vectors in shifted.items()}, set(shifted))
    assert float(gradient[1, 2]) == pytest.approx(3 * (after - expected) / 1e-2, rel=0.05, abs=1e-3)


def test_hard_negatives_are_no_part_of_the_means() -> None:
    """Their languages are not known."""
    of = embeddings()
    other = Embeddings(of.query_bh, torch.cat([of.candidate_ch[:5], -of.candidate_ch[5:]]))
    penalties = [loss_of("mean", None)(one, batch()) - InfoNce(0.1)(one, batch()) for one in (of, other)]
    torch.testing.assert_close(*penalties)


def test_running_means_stand_for_the_languages_that_a_batch_lacks() -> None:
    """Written down step by step; only the batch's own means carry gradients."""
    loss = loss_of("mean", 0.75)
    running: dict[str, Vector] = {}
    for step, pairs in enumerate([PAIRS, (("en", "en"),) * 5, (("sw", "de"),) * 5]):
        of = embeddings(seed=step)
        own = {code: mean(vectors) for code, vectors in by_language(of, pairs).items()}
        expected = slow_mean_penalty({**running, **own}, set(own))
        found = loss(of, batch(pairs)) - InfoNce(0.1)(of, batch(pairs))
        torch.testing.assert_close(found, torch.full((5,), 3 * expected), atol=1e-5, rtol=1e-4)
        for code, vector in own.items():
            before = running.get(code, vector)
            running[code] = [0.75 * a + 0.25 * b for a, b in zip(before, vector, strict=True)]
        assert not any(mean_h.requires_grad for mean_h in loss.means.values())
    assert loss.means.keys() == running.keys() == {"en", "sw", "de"}
    for code, vector in running.items():
        torch.testing.assert_close(loss.means[code], torch.tensor(vector), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("penalty", ["mean", "subspace"])
def test_one_language_alone_has_nothing_to_be_told_apart_from(penalty: str) -> None:
    of, pairs = embeddings(), (("en", "en"),) * 5
    plain_b = InfoNce(0.1)(of, batch(pairs))
    assert torch.equal(loss_of(penalty, None)(of, batch(pairs)), plain_b)
    loss = loss_of(penalty, 0.9)
    assert torch.equal(loss(of, batch(pairs)), plain_b)  # nothing else is known before the first batch
    loss(embeddings(seed=1), batch())
    assert not torch.allclose(loss(of, batch(pairs)), plain_b, atol=1e-3)


@pytest.mark.parametrize(("directions", "kept"), [(1, 1), (2, 2), (5, 2)])
def test_the_subspace_is_that_of_the_differences_of_means(directions: int, kept: int) -> None:
    """By the eigenvectors of the scatter of three means: no more than two directions."""
    of = embeddings()
    texts = by_language(of, PAIRS)
    means = torch.tensor([mean(vectors) for vectors in texts.values()], dtype=torch.float64)
    apart = means - means.mean(0)
    _, vectors = torch.linalg.eigh(apart.T @ apart)
    basis = vectors[:, -kept:]
    every = torch.tensor([vector for vectors in texts.values() for vector in vectors], dtype=torch.float64)
    expected = float((every @ basis).square().sum(1).mean())
    found = loss_of("subspace", None, directions=directions)(of, batch()) - InfoNce(0.1)(of, batch())
    assert found.tolist() == pytest.approx([3 * expected] * 5, rel=1e-4)
    less = subspace_penalty({str(n): one for n, one in enumerate(means.float())}, every.float(), kept - 1 or 9)
    assert abs(float(less) - expected) > 1e-3


def test_means_that_are_one_cost_nothing() -> None:
    same = torch.ones(4)
    assert float(mean_penalty({"en": same, "sw": same.clone()}, {"en": same})) == 0.0
    assert float(subspace_penalty({"en": same, "sw": same.clone()}, torch.randn(3, 4), 2)) == 0.0


def settings_of(*overrides: str) -> DebiasSettings:
    settings = load_settings(Composer("sweep", [*DEBIAS, *overrides]))
    assert isinstance(settings.loss, DebiasSettings)
    return settings.loss


def test_the_loss_is_what_the_settings_say() -> None:
    settings = load_settings(Composer("sweep", [*DEBIAS, "loss.penalty=subspace", "loss.directions=2"]))
    loss = make_loss(settings.loss, settings.train)
    assert loss == Debias(InfoNce(0.05), 3.0, "subspace", 2, 0.9)
    assert isinstance(loss, Stateful)
    assert not isinstance(InfoNce(0.05), Stateful)
    assert settings_of("loss.momentum=null").momentum is None


@pytest.mark.parametrize("penalty", ["mean", "subspace"])
def test_a_training_goes_on_with_the_same_bits(cache: Path, tmp_path: Path, penalty: str) -> None:
    more = (*DEBIAS, f"loss.penalty={penalty}")
    whole, points, _ = run(cache, None, None, *more)
    run(cache, tmp_path, 8, *more)
    weights, after, notes = run(cache, tmp_path, None, *more)
    assert notes == ["going on from checkpoint step-00000006.1"]
    assert torch.equal(weights, whole)
    assert [point for point in points if point[0] > 6] == after


def test_without_its_running_means_it_would_go_on_with_others(cache: Path, tmp_path: Path) -> None:
    whole, _, _ = run(cache, None, None, *DEBIAS)
    run(cache, tmp_path, 8, *DEBIAS)
    from sweep.training.checkpoint import Checkpoints

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Checkpoints, "loss_state", lambda self, folder: {})
        weights, _, _ = run(cache, tmp_path, None, *DEBIAS)
    assert not torch.equal(weights, whole)


def test_it_brings_the_languages_together_and_the_cache_changes_nothing(cache: Path) -> None:
    """Means of the languages are nearer to each other after a training with the penalty than after one without."""
    common = ("train.steps=30", "model.dropout=0.0", "train.accumulate_batches=2")
    spread: dict[str, float] = {}
    for name, options in {
        "plain": (),
        "debias": (*DEBIAS, "train.gradient_cache=false"),
        "cached": (*DEBIAS, "train.gradient_cache=true", "train.tokens_per_pass=100"),
    }.items():
        retriever, _, settings = trained(cache, *common, *options)
        spread[name] = language_spread(retriever, settings)
    assert spread["debias"] < 0.7 * spread["plain"]
    assert spread["cached"] == pytest.approx(spread["debias"], rel=0.02)
    assert not math.isnan(spread["plain"])


def language_spread(retriever, settings) -> float:  # type: ignore[no-untyped-def]
    from sweep.data.load import load_training_set

    data = load_training_set(settings)
    retriever.encoder.eval()
    with torch.no_grad():
        means = torch.stack(
            [
                retriever.encoder(
                    retriever.collate(retriever.tokenize(data.texts.read(data.passages_in(code)), "passage").ids)
                ).mean(0)
                for code in data.languages
            ]
        )
    return float((means - means.mean(0)).square().sum(1).mean())
