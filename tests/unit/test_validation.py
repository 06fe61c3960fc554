"""Validation while training: held-out groups, early stopping, pausing, pruning; training does not notice it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.test_training import SMALL, prepared

from sweep.data.holdout import hold_out
from sweep.data.load import load_training_set
from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.errors import InputError
from sweep.evaluation.validation import Validation
from sweep.model.encoder import ROLES, Retriever
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.watch import Paused, Pruned, Watch

EVERY_2 = ("train.validation={every_steps: 2, groups: 8}", "model.dropout=0.1")
STOPPING = (*EVERY_2, "train.early_stopping.patience=2", "train.checkpoint_steps=3", "train.steps=20")


def weights(retriever: Retriever) -> torch.Tensor:
    return torch.cat([parameter.detach().ravel() for parameter in retriever.encoder.parameters()])


def validated(cache: Path, folder: Path | None, *overrides: str, **watch: Any) -> tuple[Retriever, list[Validation]]:
    training, retriever, _ = prepared(cache, *overrides, folder=folder)
    found: list[Validation] = []

    def keep(validation: Validation) -> bool:
        found.append(validation)
        return False

    training.run(Watch(**{"on_validation": keep, **watch}))
    return retriever, found


def kept(data: TrainingSet) -> list[str]:
    return [name for name, is_kept in zip(data.groups, data.kept_g, strict=True) if is_kept]


def test_groups_in_most_languages_are_held_out_and_no_language_loses_more_than_half() -> None:
    settings = load_settings(Composer("sweep", SMALL))
    whole = load_training_set(settings)
    left, pool = hold_out(whole, 8)
    groups = {question.group for question in pool.questions}
    assert len(groups) == 8
    assert groups.isdisjoint(kept(left))
    assert len(kept(left)) == len(whole.groups) - 8
    # Each of these records exists in every language, for there are records enough that do.
    assert len(pool.questions) == len(pool.passages) == 8 * len(whole.languages)
    assert all(len(rows) == len(whole.languages) for rows in pool.relevant_q)
    asked = {whole.texts[index] for index in left.texts_of("query")}
    assert asked.isdisjoint(question.text for question in pool.questions)
    many, _ = hold_out(whole, 1000)
    for code in whole.languages:
        assert len(many.rows(code, code)) * 2 >= len(whole.rows(code, code))
    assert kept(hold_out(whole, 8).training) == kept(left)  # the same every time


def test_groups_that_share_a_text_are_held_out_together() -> None:
    """Groups 3n, 3n+1, 3n+2 are joined: by a passage in one language, then by a question in another."""

    def text(kind: str, group: int, code: str) -> str:
        shared = {("p", 1, "en"): 0, ("q", 2, "de"): 1}.get((kind, group % 3, code), group % 3)
        spelling = str.upper if (kind, group % 3) == ("p", 1) else str
        return spelling(f"{kind} {group // 3} {shared} {code}")

    rows = [
        TrainingRow(f"g{group:02d}", code, text("q", group, code), text("p", group, code))
        for group in range(30)
        for code in ("en", "de")
    ]
    left, pool = hold_out(training_set(rows, ("en", "de")), 8)
    held_out = {int(question.group[1:]) for question in pool.questions}
    assert len(held_out) == 6  # the third three would be too many
    assert all({group // 3 * 3 + place for place in range(3)} <= held_out for group in held_out)
    trained = {left.texts[index].casefold() for role in ROLES for index in left.texts_of(role)}
    assert trained.isdisjoint(item.text.casefold() for item in (*pool.questions, *pool.passages))


def test_what_is_held_out_is_no_hard_negative_of_the_rest() -> None:
    rows = [TrainingRow(f"g{n}", "en", f"q {n}", f"p {n}", (f"p {(n + 1) % 20}", f"no {n}")) for n in range(20)]
    left, pool = hold_out(training_set(rows, ("en",)), 5)
    held_out = {passage.text for passage in pool.passages}
    trained = {left.texts[index] for index in left.texts_of("passage")}
    assert len(held_out) == 5
    assert held_out.isdisjoint(trained)
    assert {text for text in trained if text.startswith("no")} >= {f"no {group[1:]}" for group in kept(left)}


def test_too_little_data_to_hold_any_out_is_an_input_error() -> None:
    rows = [TrainingRow("one", code, f"q {code}", f"p {code}") for code in ("en", "de")]
    with pytest.raises(InputError, match="too few rows"):
        hold_out(training_set(rows, ("en", "de")), 4)


def test_training_does_not_notice_that_it_is_validated(cache: Path) -> None:
    retriever, found = validated(cache, None, *EVERY_2)
    assert [validation.step for validation in found] == [2, 4, 6, 8]
    other, nothing = validated(cache, None, *EVERY_2[1:], "train.validation={every_steps: 100, groups: 8}")
    assert nothing == []
    assert torch.equal(weights(retriever), weights(other))


def test_figures_are_over_all_languages_and_by_tier_and_have_their_values(cache: Path) -> None:
    _, found = validated(cache, None, *EVERY_2)
    names = {key.removeprefix("validation/") for key in found[0].metrics}
    assert names == {
        f"{name}{tier}"
        for name in ("mono/map", "cross/map", "pooled/map", "pooled/alignment_consistency", "pooled/mrr@10")
        for tier in ("", "/low")
    } | {"cross/map/same_script", "cross/map/other_script"}
    for key in ("validation/pooled/map", "validation/pooled/map/low"):
        value_g = found[-1].values_g(key)
        assert len(value_g) == 8  # the group, with its questions in all languages
        assert value_g.mean() == pytest.approx(found[-1].metrics[key])


def test_early_stopping_takes_the_weights_of_the_best_validation(cache: Path, tmp_path: Path) -> None:
    metric = "validation/pooled/alignment_consistency"
    notes: list[str] = []
    at_step: dict[int, torch.Tensor] = {}
    training, retriever, _ = prepared(cache, *STOPPING, "train.early_stopping.min_delta=0.03", folder=tmp_path)
    values: dict[int, float] = {}

    def keep(validation: Validation) -> bool:
        values[validation.step] = validation.metrics[metric]
        at_step[validation.step] = weights(retriever).clone()
        return False

    trained = training.run(Watch(on_validation=keep, on_note=notes.append))
    best, worse = None, 0
    for step, value in values.items():
        best, worse = (step, 0) if best is None or value > values[best] + 0.03 else (best, worse + 1)
        assert (worse == 2) == (step == trained.steps)
    assert best is not None
    assert best < trained.steps < 20
    assert torch.equal(weights(retriever), at_step[best])
    assert not torch.equal(at_step[best], at_step[trained.steps])
    assert f"training ended after step {trained.steps} of 20" in notes
    # Another command finds it ended, and takes the same weights.
    again, other, _ = prepared(cache, *STOPPING, "train.early_stopping.min_delta=0.03", folder=tmp_path)
    assert again.run(Watch()).steps == trained.steps
    assert torch.equal(weights(other), at_step[best])


def test_early_stopping_without_validation_is_refused() -> None:
    with pytest.raises(InputError, match=r"validation\.every_steps"):
        load_settings(Composer("sweep", ["train.early_stopping.patience=2"]))


def test_a_paused_training_goes_on_with_the_same_bits(cache: Path, tmp_path: Path) -> None:
    whole, figures = validated(cache, tmp_path / "whole", *EVERY_2)
    asked = iter([False, False, True])
    with pytest.raises(Paused, match="after step 3"):
        validated(cache, tmp_path / "cut", *EVERY_2, should_pause=lambda: next(asked))
    retriever, rest = validated(cache, tmp_path / "cut", *EVERY_2)
    assert torch.equal(weights(retriever), weights(whole))
    assert [validation.metrics for validation in rest] == [validation.metrics for validation in figures[1:]]


def test_a_pruned_training_keeps_its_checkpoint(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(Pruned, match="after step 4"):
        validated(cache, tmp_path, *EVERY_2, on_validation=lambda validation: validation.step == 4)
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-00000004.1"]


def test_training_ends_when_its_time_is_over(cache: Path, tmp_path: Path) -> None:
    training, _, _ = prepared(cache, "train.max_minutes=1e-6", folder=tmp_path)
    assert training.run(Watch()).steps == 1
    again, _, _ = prepared(cache, "train.max_minutes=1e-6", folder=tmp_path)
    assert again.run(Watch()).steps == 1


def test_how_often_to_save_changes_no_fingerprint() -> None:
    def fingerprint(*overrides: str) -> str:
        return load_settings(Composer("sweep", [*SMALL, *overrides])).trial_fingerprint()

    assert fingerprint("train.checkpoint_steps=3", "train.checkpoint_minutes=1") == fingerprint()
    assert fingerprint("train.steps=9") != fingerprint()
