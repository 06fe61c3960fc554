"""What batches are drawn from, and how often: weights of languages, pairs and sources, and units that are small."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.unit.test_plan import DATA, ratio, toy
from tests.unit.test_step import prepared

from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.errors import InputError
from sweep.run.notes import small_batches
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training import plan as plan_module
from sweep.training.exposure import Exposure
from sweep.training.plan import BatchPlan
from sweep.trial.exposure import exposure_table

STEPS = 4000


def shares(plan: BatchPlan) -> Counter[str]:
    return Counter("-".join(plan.batch(step).pairs[0]) for step in range(STEPS))


def check(counts: Counter[str], expected: dict[str, float]) -> None:
    assert set(counts) == {unit for unit, share in expected.items() if share}
    total = sum(expected.values())
    pairs = [(counts[unit], STEPS * share / total) for unit, share in expected.items() if share]
    assert chisquare(*zip(*pairs, strict=True)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("sampling", "base"), [("uniform", {"en": 1, "de": 1, "sw": 1}), ("size", {"en": 200, "de": 100, "sw": 40})]
)
def test_language_weights_multiply_what_sampling_gives(sampling: str, base: dict[str, float]) -> None:
    weights = {"sw": 3.0, "de": 0.0}
    plan = BatchPlan(DATA, ratio(1.0, sampling, language_weights=weights, draw="independent"), 4, 1, STEPS)
    check(shares(plan), {f"{code}-{code}": share * weights.get(code, 1.0) for code, share in base.items()})


@pytest.mark.parametrize("cross", ["pair", "mixed"])
def test_pair_weights_are_of_ordered_pairs(cross: str) -> None:
    weights = {"sw-en": 4.0, "en-de": 0.0}
    plan = BatchPlan(DATA, ratio(0.0, cross=cross, pair_weights=weights, draw="independent"), 4, 2, STEPS)
    units = {
        f"{one}-{other}": weights.get(f"{one}-{other}", 1.0) for one in DATA.languages for other in DATA.languages
    }
    check(shares(plan), {unit: share for unit, share in units.items() if len(set(unit.split("-"))) > 1})


def two_sources() -> TrainingSet:
    rows = [
        TrainingRow(
            f"{source}/{group}", code, f"q {source} {group} {code}", f"p {source} {group} {code}", source=source
        )
        for source, groups, languages in (("big", 60, ("en", "de")), ("small", 20, ("en", "sw")))
        for group in range(groups)
        for code in languages
    ]
    return training_set(rows, ("en", "de", "sw"))


def test_sources_get_their_shares_and_batches_of_their_own() -> None:
    data = two_sources()
    assert data.sources == ("big", "small")
    plan = BatchPlan(data, ratio(1.0, source_weights={"small": 3.0}, draw="independent"), 8, 0, STEPS)
    sources = []
    for step in range(STEPS):
        batch = plan.batch(step)
        (source,) = {data.groups[group].split("/")[0] for group in batch.group_b}
        sources.append(f"{source}-{batch.pairs[0][0]}")
    check(Counter(sources), {"big-en": 1, "big-de": 1, "small-en": 3, "small-sw": 3})
    never = BatchPlan(data, ratio(0.5, source_weights={"small": 0.0}), 8, 0, 100)
    assert all(data.groups[group].startswith("big") for step in range(100) for group in never.batch(step).group_b)


def test_without_weights_sources_are_one() -> None:
    data = two_sources()
    batch = next(b for b in map(BatchPlan(data, ratio(1.0), 40, 0, 50).batch, range(50)) if b.pairs[0][0] == "en")
    assert {data.groups[group].split("/")[0] for group in batch.group_b} == {"big", "small"}


def test_small_units_are_left_out_or_refused() -> None:
    data = toy({"en": 50, "de": 40, "sw": 5})
    plan = BatchPlan(data, ratio(0.5, few_rows="leave_out"), 16, 0, 200)
    drawn = {pair for step in range(200) for pair in plan.batch(step).pairs}
    assert drawn == {("en", "en"), ("de", "de"), ("en", "de"), ("de", "en")}
    assert all(len(plan.batch(step).pairs) == 16 for step in range(200))
    assert {unit.name: unit.size for unit in plan.left_out} == {
        "sw": 5, "en-sw": 5, "sw-en": 5, "de-sw": 5, "sw-de": 5,
    }  # fmt: skip
    exposure = Exposure().after(plan.batch(0), 16, 1.0)
    lines = exposure_table(exposure, plan.left_out).splitlines()
    assert "monolingual,sw,sw,0,0,0.000000,0,5" in lines
    assert sum(line.endswith(",0") for line in lines[1:]) == 1  # what was trained on
    with pytest.raises(
        InputError, match=r"fewer translation groups than train.batch_size=16.*: sw 5; choose smaller"
    ):
        BatchPlan(data, ratio(1.0, few_rows="refuse"), 16, 0, 200)
    with pytest.raises(InputError, match=r"ratio.few_rows=leave_out leaves"):
        BatchPlan(data, ratio(1.0, few_rows="leave_out"), 64, 0, 200)
    mixed = BatchPlan(data, ratio(0.0, cross="mixed", few_rows="refuse"), 16, 0, 200)  # filled up with other pairs
    assert mixed.left_out == ()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("ratio.language_weights={xx: 2.0}", "ratio.language_weights"),
        (
            "ratio.language_weights={fi: 2.0}",
            "ratio.language_weights weighs 'fi', which is not of languages.train: en",
        ),
        ("ratio.pair_weights={en: 2.0}", "is no pair of languages; write QUESTION-PASSAGE"),
        ("ratio.pair_weights={en-fi: 2.0}", "ratio.pair_weights weighs 'en-fi'"),
        ("ratio.language_weights={en: -1.0}", "ratio.language_weights.en"),
        ("ratio.source_weights={ntrex: 1.0}", "ratio.source_weights weighs 'ntrex', which is not of the sources"),
    ],
)
def test_weights_that_name_nothing_are_refused(override: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        load_settings(Composer("sweep", [override]))
    kept = load_settings(Composer("sweep", ["ratio.pair_weights={sw-en: 2.0}", "ratio.language_weights={swh: 2.0}"]))
    assert (kept.ratio.pair_weights, kept.ratio.language_weights) == ({"sw-en": 2.0}, {"sw": 2.0})


def test_of_several_texts_each_is_drawn_alike() -> None:
    rows = [
        TrainingRow(f"g{group}", "en", f"q {group} {one}", f"p {group} {other}")
        for group in range(6)
        for one in range(2)
        for other in range(3)
    ]
    data = training_set(rows, ("en",))
    plan = BatchPlan(data, ratio(1.0), 6, 0, 600)
    drawn: Counter[str] = Counter()
    for step in range(600):
        batch = plan.batch(step)
        drawn.update(data.texts.read(np.r_[batch.question_b, batch.passage_b]))
        # The other passages of a group are no negatives of its questions.
        relevant = [[data.texts[p].split()[1] == data.groups[g][1:] for p in batch.passage_b] for g in batch.group_b]
        assert (batch.negative_bc == ~np.array(relevant)).all()
    for kind, number in (("q", 2), ("p", 3)):
        counts = [count for text, count in drawn.items() if text.startswith(kind)]
        assert len(counts) == 6 * number
        assert chisquare(counts).pvalue > 1e-3


def test_rows_of_mixed_batches_are_drawn_alike_from_few_groups_and_from_many(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy({"en": 40, "de": 40})
    for most in (plan_module.MOST_ORDERED, 1):
        monkeypatch.setattr(plan_module, "MOST_ORDERED", most)
        plan = BatchPlan(data, ratio(0.0, cross="mixed"), 16, 0, 500)
        batches = [plan.batch(step).group_b.tolist() for step in range(500)]
        assert all(len(set(groups)) == 16 for groups in batches)
        assert chisquare(list(Counter(group for groups in batches for group in groups).values())).pvalue > 1e-3


def test_weights_of_rows_multiply_their_losses() -> None:
    rows = [
        TrainingRow(f"g{group}", "en", f"q {group}", f"p {group}", weight=2.0 if group % 2 else 1.0)
        for group in range(8)
    ]
    data = training_set(rows, ("en",))
    batch = BatchPlan(data, ratio(1.0), 8, 0, 10).batch(0)
    assert batch.weight_b is not None
    assert batch.weight_b.tolist() == [2.0 if group % 2 else 1.0 for group in batch.group_b]
    assert training_set([row._replace(weight=1.0) for row in rows], ("en",)).passages.weight_n is None


def test_a_step_follows_the_weights(cache: Path) -> None:
    step, encoder, batch = prepared(cache, "model.dropout=0.0")

    def gradient(weight_b: np.ndarray | None) -> torch.Tensor:
        encoder.zero_grad()
        step(replace(batch, weight_b=weight_b))
        return torch.cat([p.grad.ravel().clone() for p in encoder.parameters() if p.grad is not None])

    size = len(batch.group_b)
    plain = gradient(None)
    one_b = np.zeros(size, np.float32)
    parts = []
    for row in range(size):
        one_b[:] = 0
        one_b[row] = 1 + row % 2
        parts.append(gradient(one_b))
    weighted = gradient(np.array([1 + row % 2 for row in range(size)], np.float32))
    torch.testing.assert_close(torch.stack(parts).sum(0), weighted, atol=1e-6, rtol=1e-3)
    assert not torch.allclose(plain, weighted, atol=1e-4)


def test_a_question_is_no_negative_of_itself() -> None:
    """A sentence may be the passage of one group and the question of the next."""
    rows = [TrainingRow(f"g{line}", "en", f"sentence {line}", f"sentence {line + 1}") for line in range(6)]
    batch = BatchPlan(training_set(rows, ("en",)), ratio(1.0), 6, 0, 10).batch(0)
    own = batch.question_b[:, None] == batch.passage_b
    assert own.sum() == 5
    assert (batch.negative_bc == ~(own | np.eye(6, dtype=bool))).all()


def test_a_mixed_batch_is_filled_up_with_other_pairs() -> None:
    """Half of the pairs have the same three groups; each batch has 60 rows all the same."""
    data = toy({"en": 300, "de": 300, "sw": 3})
    sizes = {len(BatchPlan(data, ratio(0.0, cross="mixed"), 60, 0, 40).batch(step).pairs) for step in range(40)}
    assert max(sizes) < 60  # by default a row whose pair has no more groups is left out, and counted
    for few_rows in ("leave_out", "refuse"):
        plan = BatchPlan(data, ratio(0.0, cross="mixed", few_rows=few_rows), 60, 0, 40)
        assert [len(plan.batch(step).pairs) for step in range(40)] == [60] * 40
    fill = ratio(0.0, cross="mixed", few_rows="leave_out")
    short = BatchPlan(toy({"en": 30, "de": 30}), fill, 60, 0, 40)  # all groups that there are
    assert len(short.batch(0).pairs) == 30


def test_all_weights_of_nothing_are_named() -> None:
    with pytest.raises(InputError, match="no two parallel rows for one whose weight is not 0"):
        BatchPlan(DATA, ratio(1.0, language_weights=dict.fromkeys(DATA.languages, 0.0)), 4, 0, 10)


def test_small_units_are_named_when_a_study_begins() -> None:
    rows = [TrainingRow(f"g{n}", "sw", f"q {n}", f"p {n}", (), "en") for n in range(5)]
    rows += [TrainingRow(f"h{n}", "en", f"q en {n}", f"p en {n}") for n in range(200)]
    settings = load_settings(Composer("sweep", ["ratio.monolingual=0.5", "train.batch_size=32"]))
    line = small_batches(settings, training_set(rows, ("en", "sw")))
    assert "for 1 of 1 ordered pairs (sw-en 5)" in line  # there is no pair en-sw
