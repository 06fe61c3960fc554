"""A temperature and a weight for each kind of batch."""

from pathlib import Path

import pytest
import torch
from tests.unit.test_debias import batch, embeddings
from tests.unit.test_training import prepared, trained

from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.earlier import completed
from sweep.settings.identity import differences, result_settings
from sweep.settings.load import load_settings
from sweep.training.losses.info_nce import InfoNce
from sweep.training.losses.registry import make_loss
from sweep.training.watch import Watch

MONO, CROSS = "ratio.monolingual=1.0", "ratio.monolingual=0.0"


def composed(*overrides: str) -> Settings:
    return load_settings(Composer("sweep", list(overrides)))


def test_each_kind_has_its_temperature() -> None:
    settings = composed("loss.temperatures.cross_lingual=0.2", "train.temperature=0.07")
    loss = make_loss(settings.loss, settings.train)
    of = embeddings()
    mono = batch((("en", "en"),) * 5)
    assert torch.equal(loss(of, mono), InfoNce(0.07)(of, mono))
    assert torch.equal(loss(of, batch()), InfoNce(0.2)(of, batch()))
    assert not torch.allclose(loss(of, batch()), InfoNce(0.07)(of, batch()))
    plain = composed("train.temperature=0.07")
    assert make_loss(plain.loss, plain.train) == InfoNce(0.07)


def test_a_penalty_has_it_too() -> None:
    settings = composed("loss=debias", "loss.weight=0.0", "loss.temperatures={monolingual: 0.3, cross_lingual: 0.2}")
    loss = make_loss(settings.loss, settings.train)
    for one, temperature in ((batch((("en", "en"),) * 5), 0.3), (batch(), 0.2)):
        torch.testing.assert_close(loss(embeddings(), one), InfoNce(temperature)(embeddings(), one))
    assert loss.state().keys() == {"en", "sw", "de"}  # type: ignore[attr-defined]


def gradient_of(cache: Path, *overrides: str) -> tuple[torch.Tensor, float]:
    """What the first step leaves before clipping and the optimizer, and its loss."""
    training, _, _ = prepared(cache, "train.warmup_steps=0", "model.dropout=0.0", *overrides)
    clipped = torch.nn.utils.clip_grad_norm_
    kept: list[torch.Tensor] = []

    def keep(parameters, norm):  # type: ignore[no-untyped-def]
        listed = list(parameters)
        kept.append(torch.cat([p.grad.ravel().clone() for p in listed if p.grad is not None]))
        return clipped(listed, norm)

    points: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.nn.utils, "clip_grad_norm_", keep)
        training.run(Watch(on_point=lambda point: points.append(point.loss)))
    return kept[0], points[0]


@pytest.mark.parametrize(("kind", "of"), [(MONO, "monolingual"), (CROSS, "cross_lingual")])
def test_the_weight_of_a_kind_multiplies_the_gradients_of_its_batches(cache: Path, kind: str, of: str) -> None:
    plain, loss = gradient_of(cache, kind)
    weighted, same_loss = gradient_of(cache, kind, f"loss.weights.{of}=4.0")  # scales without rounding
    torch.testing.assert_close(weighted, 4 * plain, atol=1e-9, rtol=1e-6)
    assert same_loss == loss
    other = "cross_lingual" if of == "monolingual" else "monolingual"
    unmoved, _ = gradient_of(cache, kind, f"loss.weights.{other}=3.0")
    assert torch.equal(unmoved, plain)


def test_of_several_batches_of_a_step_each_counts_by_its_kind(cache: Path) -> None:
    """The step's gradient is the mean of the batches', one of each kind."""
    options = ("train.accumulate_batches=2", "train.steps=4", "ratio.monolingual=0.5")
    for seed in range(20):
        two = (*options, f"seed={seed}")
        plan = prepared(cache, *two)[0]._plan
        if len({plan.batch(number).kind for number in range(2)}) == 2:
            break
    else:
        raise AssertionError("no seed begins with a batch of each kind")
    plain, _ = gradient_of(cache, *two)
    heavy = [gradient_of(cache, *two, f"loss.weights.{name}=3.0")[0] for name in ("monolingual", "cross_lingual")]
    torch.testing.assert_close(heavy[0] + heavy[1] - 2 * plain, 2 * plain, atol=1e-5, rtol=1e-3)
    assert not torch.allclose(heavy[0], heavy[1], atol=1e-3)


def test_adam_does_not_see_the_weight_of_the_only_kind(cache: Path) -> None:
    """Its updates do not change with the scale of all gradients, as docs/training.md says."""
    options = (MONO, "train.max_grad_norm=1e9", "model.dropout=0.0")
    one, _, _ = trained(cache, *options)
    other, _, _ = trained(cache, *options, "loss.weights.monolingual=8.0")
    for first, second in zip(one.encoder.parameters(), other.encoder.parameters(), strict=True):
        torch.testing.assert_close(first, second, atol=2e-3, rtol=2e-2)


def test_neutral_values_are_no_part_of_the_identity() -> None:
    then, now = composed(), composed("loss.weights.monolingual=1.0", "loss.temperatures.monolingual=null")
    assert then.trial_fingerprint() == now.trial_fingerprint()
    assert not any(path.startswith(("loss", "ratio.code_switch")) for path in result_settings(then))
    for setting, line in (
        ("loss.weights.cross_lingual=2.0", "  loss.weights.cross_lingual: 1.0 in the study, 2.0 now"),
        ("loss.temperatures.monolingual=0.1", "  loss.temperatures.monolingual: null in the study, 0.1 now"),
        ("ratio.code_switch.probability=0.1", "  ratio.code_switch.probability: 0.0 in the study, 0.1 now"),
    ):
        other = composed(setting)
        assert other.trial_fingerprint() != then.trial_fingerprint()
        assert differences(result_settings(then), result_settings(other)) == [line]


def test_a_study_that_names_only_its_loss_is_completed() -> None:
    config = {"loss": {"kind": "info_nce"}, "ratio": {}, "study": {}}
    whole = completed(config)
    now = composed()
    assert whole["loss"] == now.loss.model_dump(mode="json")
    assert whole["ratio"]["code_switch"] == now.ratio.code_switch.model_dump(mode="json")
