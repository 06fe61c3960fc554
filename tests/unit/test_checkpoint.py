"""Checkpoints: a training goes on with the same bits, and damaged ones are noticed."""

import contextlib
from pathlib import Path

import pytest
import torch
from tests.unit.test_training import prepared

from sweep.errors import Fenced
from sweep.training.checkpoint import Checkpoints
from sweep.training.watch import TrainingPoint, Watch
from sweep.trial.pipeline import make_accelerator

STEPS = ("train.steps=9", "model.dropout=0.1", "train.checkpoint_steps=3", "train.log_every=2")


class Killed(Exception):
    """Stands for the end of the process; real kills are in the integration tests."""


def run(
    cache: Path, folder: Path | None, stop: int | None = None, *more: str
) -> tuple[torch.Tensor, list, list[str]]:
    """Train, or go on with it; weights in a row, logged points, and remarks."""
    training, retriever, _ = prepared(cache, *STEPS, *more, folder=folder)
    points: list[tuple[int, float, float]] = []
    notes: list[str] = []

    def note(point: TrainingPoint) -> None:
        points.append((point.step, point.loss, point.learning_rate))
        if point.step == stop:
            raise Killed

    with contextlib.suppress(Killed):
        training.run(Watch(on_point=note, on_note=notes.append))
    return torch.cat([p.detach().ravel() for p in retriever.encoder.parameters()]), points, notes


@pytest.mark.parametrize("stop", [2, 4, 6, 8])
def test_a_training_goes_on_with_the_same_bits(cache: Path, tmp_path: Path, stop: int) -> None:
    whole, points, _ = run(cache, None)
    _, before, _ = run(cache, tmp_path, stop)
    weights, after, notes = run(cache, tmp_path)
    assert torch.equal(weights, whole)
    saved = stop // 3 * 3 if stop % 3 else stop - 3  # the checkpoint of a step comes after its point
    assert notes == ([f"going on from checkpoint step-{saved:08d}.1"] if saved else [])
    assert sorted({*before, *after}) == points
    assert [point for point in points if point[0] > saved] == after


@pytest.mark.parametrize("began", ["true", "false"])
def test_a_training_goes_on_with_the_optimizer_that_it_began_with(cache: Path, tmp_path: Path, began: str) -> None:
    other = "false" if began == "true" else "true"
    whole, _, _ = run(cache, None, None, f"train.fused_optimizer={began}")
    run(cache, tmp_path, 4, f"train.fused_optimizer={began}")
    weights, _, notes = run(cache, tmp_path, None, f"train.fused_optimizer={other}")
    assert notes == ["going on from checkpoint step-00000003.1"]
    assert torch.equal(weights, whole)
    from_the_start, _, _ = run(cache, None, None, f"train.fused_optimizer={other}")
    assert not torch.equal(weights, from_the_start)  # their rounding differs


def test_a_finished_training_is_not_trained_again(cache: Path, tmp_path: Path) -> None:
    whole, _, _ = run(cache, tmp_path)
    weights, points, notes = run(cache, tmp_path)
    assert torch.equal(weights, whole)
    assert points == []
    assert notes == ["going on from checkpoint step-00000009.1"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "random-0.safetensors"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(cache: Path, tmp_path: Path, name: str) -> None:
    whole, _, _ = run(cache, None)
    run(cache, tmp_path, 8)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["step-00000003.1", "step-00000006.1"]
    file = tmp_path / "step-00000006.1" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    weights, _, notes = run(cache, tmp_path)
    assert notes == [
        f"a checkpoint is not used: step-00000006.1: {name} is damaged",
        "going on from checkpoint step-00000003.1",
    ]
    assert torch.equal(weights, whole)


def test_without_a_sound_checkpoint_it_starts_over(cache: Path, tmp_path: Path) -> None:
    whole, points, _ = run(cache, None)
    run(cache, tmp_path, 4)
    (tmp_path / "step-00000003.1" / "manifest.json").write_text("{")
    weights, again, notes = run(cache, tmp_path)
    assert len(notes) == 1
    assert "step-00000003.1: cannot be read" in notes[0]
    assert torch.equal(weights, whole)
    assert again == points


def test_a_checkpoint_of_other_settings_is_not_used(cache: Path, tmp_path: Path) -> None:
    run(cache, tmp_path, 4)
    whole, _, _ = run(cache, None, None, "train.temperature=0.1")
    weights, _, notes = run(cache, tmp_path, None, "train.temperature=0.1")
    assert notes == [
        "a checkpoint is not used: step-00000003.1: is of another training, or of another kind of device"
    ]
    assert torch.equal(weights, whole)


def test_an_attempt_goes_on_with_its_predecessors_checkpoints_and_leaves_them_alone(
    cache: Path, tmp_path: Path
) -> None:
    whole, _, _ = run(cache, None)
    run(cache, tmp_path, 8)
    second, retriever, _ = prepared(cache, *STEPS, folder=tmp_path, attempt=2)
    notes: list[str] = []
    second.run(Watch(on_note=notes.append))
    assert notes == ["going on from checkpoint step-00000006.1"]
    assert torch.equal(torch.cat([p.detach().ravel() for p in retriever.encoder.parameters()]), whole)
    assert "step-00000009.2" in {folder.name for folder in tmp_path.iterdir()}
    run(cache, tmp_path)  # the first attempt wakes up, and knows nothing of the second
    assert "step-00000009.2" in {folder.name for folder in tmp_path.iterdir()}


def test_an_attempt_that_lost_its_trial_commits_nothing(cache: Path, tmp_path: Path) -> None:
    run(cache, tmp_path, 4)
    woken, _, _ = prepared(cache, *STEPS, folder=tmp_path, still_mine=lambda: False)
    with pytest.raises(Fenced, match="taken this trial over"):
        woken.run(Watch())
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-00000003.1"]


@pytest.mark.parametrize("name", ["step-zzz", "step-", "step-5", "step-00000005.x", "step-00000005.1.old"])
def test_a_folder_of_somebody_else_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert Checkpoints(tmp_path, "a training", make_accelerator()).newest() == (None, [])
