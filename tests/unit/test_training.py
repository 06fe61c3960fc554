"""The loop: learns, repeats bit by bit, and stops on a loss that is not finite."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from sweep.data.holdout import hold_out
from sweep.data.load import load_benchmark, load_training_set
from sweep.data.texts import Texts
from sweep.errors import TrialFailed
from sweep.evaluation.encode import encode
from sweep.evaluation.halves import evaluated_halves
from sweep.evaluation.language_removal import RemovalPlan
from sweep.evaluation.scoring import evaluate
from sweep.evaluation.validation import Validator
from sweep.model.batching import length_sorted_batches
from sweep.model.encoder import Retriever
from sweep.model.registry import build_retriever
from sweep.model.token_cache import TokenCache
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.identity import earlier_fingerprints
from sweep.settings.load import load_settings
from sweep.training.checkpoint import Checkpoints
from sweep.training.loop import Training
from sweep.training.losses.registry import make_loss
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.teacher import make_teacher
from sweep.training.tokens import TokenTable
from sweep.training.watch import TrainingPoint, Watch

SMALL = [
    "languages=cldr_6", "train.steps=8", "train.warmup_steps=2", "train.batch_size=16", "train.log_every=1",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "model.vocabulary_size=800",
]  # fmt: skip


def prepared(
    cache: Path,
    *overrides: str,
    folder: Path | None = None,
    attempt: int = 1,
    still_mine: Callable[[], bool] = lambda: True,
) -> tuple[Training, Retriever, Settings]:
    settings = load_settings(Composer("sweep", [*SMALL, *overrides]))
    data = load_training_set(settings)
    retriever = build_retriever(settings.model, data.texts, cache, settings.seed)
    torch.manual_seed(settings.seed)
    accelerator = Accelerator(cpu=True)
    tokens = TokenCache(retriever, cache / "tokens")
    validate = None
    if settings.train.validation.every_steps is not None:
        data, held_out = hold_out(data, settings.train.validation.groups)
        tiers = {"low": frozenset({"sw"})}
        validate = Validator(retriever, held_out, tiers, accelerator, ("pooled", "mrr@10"), tokens)
    batches = settings.train.steps * settings.train.accumulate_batches
    loss = make_loss(settings.loss, settings.train)
    size, negatives = settings.train.batch_size, settings.train.hard_negatives
    plan = BatchPlan(data, settings.ratio, size, settings.seed, batches, negatives, loss.needs)
    teacher = make_teacher(settings, retriever, data, cache, accelerator) if loss.needs.teacher else None
    table = TokenTable(retriever, data, tokens)
    step = ContrastiveStep(retriever, table, settings.train, accelerator, loss, teacher)
    checkpoints = None
    if folder is not None:
        checkpoints = Checkpoints(
            folder, settings.trial_fingerprint(), accelerator, attempt, still_mine, earlier_fingerprints(settings)
        )
    training = Training(
        step, retriever.encoder, plan, settings.train, accelerator, checkpoints, validate, settings.loss.weights
    )
    return training, retriever, settings


def trained(cache: Path, *overrides: str) -> tuple[Retriever, list[TrainingPoint], Settings]:
    training, retriever, settings = prepared(cache, *overrides)
    points: list[TrainingPoint] = []
    training.run(Watch(on_point=points.append))
    return retriever, points, settings


def test_the_same_seed_gives_the_same_bits(cache: Path) -> None:
    (first, points, _), (again, points_again, _) = (
        trained(cache, "model.dropout=0.1"),
        trained(cache, "model.dropout=0.1"),
    )
    assert [point.loss for point in points] == [point.loss for point in points_again]
    for one, other in zip(first.encoder.parameters(), again.encoder.parameters(), strict=True):
        assert torch.equal(one, other)
    _, points_other, _ = trained(cache, "seed=1")
    assert [point.loss for point in points] != [point.loss for point in points_other]


def test_training_learns(cache: Path) -> None:
    _, points, _ = trained(cache, "train.steps=60", "ratio.monolingual=1.0")
    assert points[-1].loss < 0.5 * points[0].loss


@pytest.mark.parametrize(("decay", "middle"), [("linear", 2e-3), ("cosine", 2e-3)])
def test_the_learning_rate_warms_up_and_decays(cache: Path, decay: str, middle: float) -> None:
    _, points, _ = trained(cache, f"train.decay={decay}", "train.steps=10", "train.learning_rate=0.004")
    rates = [point.learning_rate for point in points]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(2e-3)
    assert rates[2] == max(rates) == pytest.approx(4e-3)
    assert rates[6] == pytest.approx(middle)
    assert rates[9] < rates[8] < rates[7]


def test_a_loss_that_is_not_finite_fails_the_trial(cache: Path) -> None:
    with pytest.raises(
        TrialFailed, match=r"the loss became nan in step \d+ of 8; try a smaller train\.learning_rate"
    ):
        trained(cache, "train.learning_rate=1e38")


def test_embeddings_do_not_depend_on_batching_or_order(cache: Path) -> None:
    retriever, _, settings = trained(cache)
    texts = sorted({passage.text for passage in load_benchmark(settings).passages})

    def embedded(ordered: list[str]) -> NDArray[np.float32]:
        some = Texts(len(ordered), lambda rows: [ordered[row] for row in rows], "")
        return encode(retriever, some, "passage", Accelerator(cpu=True)).embedding_uh

    whole, backwards = embedded(texts), embedded(texts[::-1])[::-1]
    np.testing.assert_allclose(whole, backwards, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)


def test_an_embedding_that_is_not_finite_is_refused(cache: Path) -> None:
    retriever, _, settings = trained(cache)
    with torch.no_grad():
        next(retriever.encoder.parameters()).fill_(float("nan"))
    with pytest.raises(TrialFailed, match="the embedding of a query is not finite"):
        evaluate(retriever, load_benchmark(settings), settings.evaluation, {}, Accelerator(cpu=True))


def test_what_removes_the_language_has_figures_of_halves_too(cache: Path) -> None:
    """The card of a search's model shows them."""
    retriever, _, settings = trained(cache)
    benchmark, halves = load_benchmark(settings), {"report": ["cldr/mono/map"]}
    evaluation = evaluate(
        retriever, benchmark, settings.evaluation, {}, Accelerator(cpu=True),
        removals=RemovalPlan(("lir",), "en"), halves=halves,  # type: ignore[arg-type]
    )  # fmt: skip
    assert evaluation is not None
    lir = evaluation.debiased["lir"].evaluation
    expected = evaluated_halves(lir.ranking, {}, halves).metrics  # type: ignore[arg-type]
    assert lir.evaluated.metrics["cldr+report/mono/map"] == expected["cldr+report/mono/map"]
    assert evaluation.metrics["cldr+report+lir/mono/map"] == expected["cldr+report/mono/map"]
    assert evaluation.metrics["cldr+report/mono/map"] != expected["cldr+report/mono/map"]


def test_batches_of_similar_length_keep_the_token_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 500).tolist()
    batches = length_sorted_batches(lengths, 256, padded=True)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert all(len(batch) * max(lengths[index] for index in batch) <= 256 for batch in batches)
    assert len(batches) < 1.2 * sum(lengths) / 256 + 5
    assert [len(batch) for batch in length_sorted_batches([300, 2], 256, padded=True)] == [
        1,
        1,
    ]  # a text over budget goes alone


def test_a_step_can_take_several_batches(cache: Path) -> None:
    """Two steps of two batches have the losses of these batches' means, the first ones before any update."""
    _, two, _ = trained(cache, "train.steps=2", "train.warmup_steps=0", "train.accumulate_batches=2")
    _, one, _ = trained(cache, "train.steps=4", "train.warmup_steps=0", "train.learning_rate=1e-12")
    assert two[0].loss == pytest.approx((one[0].loss + one[1].loss) / 2, rel=1e-5)
    assert two[1].loss != pytest.approx((one[2].loss + one[3].loss) / 2, rel=1e-5)  # after an update
    assert len(two) == 2


def test_recomputed_activations_change_nothing(cache: Path) -> None:
    plain, points, _ = trained(cache, "model.dropout=0.1")
    training, retriever, _ = prepared(cache, "model.dropout=0.1")
    retriever.encoder.backbone.gradient_checkpointing_enable()
    again: list[TrainingPoint] = []
    training.run(Watch(on_point=again.append))
    assert [point.loss for point in again] == pytest.approx([point.loss for point in points], rel=1e-5)
    for one, other in zip(plain.encoder.parameters(), retriever.encoder.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_a_compiled_encoder_has_the_same_losses_and_names(cache: Path) -> None:
    overrides = ("train.steps=2", "train.warmup_steps=0", "model.layers=1", "train.compile=true")
    _, points, _ = trained(cache, *overrides)
    training, retriever, _ = prepared(cache, *overrides)
    names = list(retriever.encoder.state_dict())
    retriever.encoder.compile_backbone(backend="aot_eager")  # the default one takes a minute to call a C++ compiler
    assert list(retriever.encoder.state_dict()) == names
    compiled: list[TrainingPoint] = []
    training.run(Watch(on_point=compiled.append))
    assert not retriever.encoder.packs
    assert [point.loss for point in compiled] == pytest.approx([point.loss for point in points], rel=1e-4)
