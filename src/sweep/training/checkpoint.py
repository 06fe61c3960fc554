"""Checkpoints of a training, exact to the bit: all that was trained, the random state, and losses not yet logged.

A checkpoint is a folder `step-<number>` that is written under another name, synchronised to the disk, and renamed: it
is there as a whole or not at all. Tensors are safetensors and the rest is JSON, so that nothing in it is executed; a
manifest has the SHA-256 of every file. The last two are kept: if the newest is damaged, the one before is used. That
of the best validation is kept, too, where it is needed in the end. Where machines share no folder there are copies of
them at a place that all of them reach.
"""

import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sweep.errors import Fenced
from sweep.model.distributed_tensors import in_parts_of, whole
from sweep.records.checksums import digest_of
from sweep.records.files import replacing_folder
from sweep.training.first_rank import kept_by_first, read_by_first, tensors_of_first
from sweep.training.optimizer_state import optimizer_parts, optimizer_state, without_functions
from sweep.training.progress import Progress
from sweep.training.random_state import RandomState, seed_rank
from sweep.training.saved_names import in_order, order_of, step_of, superseded

MANIFEST = "manifest.json"
LOSS = "loss.safetensors"  # only of a loss that remembers something
NO_STATE: Mapping[str, Tensor] = {}


class Copies(Protocol):
    """Copies of a trial's checkpoints, by the names of their folders, at a place that other machines reach."""

    def leave(self, checkpoint: Path, best_step: int | None) -> None:
        """Copy a committed checkpoint soon, in the place of older ones but that of `best_step`; rank 0's."""

    def names(self) -> Sequence[str]:
        """The names of those that are there."""

    def take(self, checkpoint: Path) -> bool:
        """Put a copy in the place of a checkpoint's folder; False if it is gone."""


class Checkpoints:
    """A trial's checkpoints. `identity` names the training that they belong to, `earlier` are names that earlier
    versions gave it; others' are not used.

    A training goes on with any number of ranks, whether weights lie in parts on them or not: a rank that has no
    random state in the checkpoint gets one made of `seed`, rank and step. Rank 0 alone writes and reads, and sends
    the others what they need: they may be on nodes that do not see its folder. With `copies` it goes on from the
    newest of those and its own folder's. An attempt reads what it and earlier attempts wrote, and writes under names
    of its own, so that one that wakes from a long pause overwrites nothing of its successor; `still_mine` is asked
    before each commit.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        accelerator: Accelerator,
        attempt: int = 1,
        still_mine: Callable[[], bool] = lambda: True,
        earlier: Collection[str] = (),
        seed: int = 0,
        copies: Copies | None = None,
    ) -> None:
        self._folder = folder
        self._identity = {"training": identity, "ranks": accelerator.num_processes, "device": accelerator.device.type}
        self._names = {identity, *earlier}
        self._seed = seed
        self._accelerator = accelerator
        self._attempt = attempt
        self._still_mine = still_mine
        self._copies = copies

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: Any,
        progress: Progress,
        loss: Mapping[str, Tensor] = NO_STATE,
    ) -> None:
        """Commit a checkpoint; called by all ranks together. `loss` is what the loss remembers, the same on every
        rank. Raises Fenced on rank 0 if the trial is another's."""
        final = self._folder / f"step-{progress.step:08d}.{self._attempt}"
        keeps = self._accelerator.is_main_process
        weights, moments, numbers = _trained(model, keeps), *optimizer_parts(optimizer, keeps)
        randoms = kept_by_first(RandomState.now(self._accelerator.device).tensors(), self._accelerator)
        if keeps:
            with replacing_folder(final) as draft:
                save_file(weights, draft / "model.safetensors")
                save_file(moments, draft / "optimizer.safetensors")
                state = {"progress": progress.to_json(), "optimizer": numbers, "schedule": schedule.state_dict()}
                (draft / "state.json").write_text(json.dumps(without_functions(state)))
                if loss:
                    save_file({name: tensor.cpu().contiguous() for name, tensor in loss.items()}, draft / LOSS)
                for rank, tensors in enumerate(randoms):
                    save_file(tensors, draft / _random_file(rank))
                self._seal(draft)
            self._remove_old(progress)
            if self._copies is not None:
                self._copies.leave(final, None if progress.best is None else progress.best[0])
        self._accelerator.wait_for_everyone()

    def _seal(self, draft: Path) -> None:
        if not self._still_mine():
            raise Fenced(f"{self._folder.parent.name}: another attempt has taken this trial over")
        digests = {file.name: digest_of(file) for file in sorted(draft.iterdir())}
        (draft / MANIFEST).write_text(json.dumps({"identity": self._identity, "sha256": digests}))

    def _remove_old(self, progress: Progress) -> None:
        """Keep the last ones, and that of the best validation."""
        names = [folder.name for folder in self._committed()]
        for old in superseded(names, self._attempt, None if progress.best is None else progress.best[0]):
            shutil.rmtree(self._folder / old, ignore_errors=True)  # a fenced attempt may be at it, too

    def _committed(self) -> list[Path]:
        """Those of this attempt and of earlier ones, by step and then by attempt."""
        names = [folder.name for folder in self._folder.glob("step-*")]
        return [self._folder / name for name in in_order(names, self._attempt)]

    def newest(self, step: int | None = None) -> tuple[Path | None, list[str]]:
        """The newest sound checkpoint of this training (after this step, if one is given), and what is wrong with
        newer ones, as rank 0 sees it; called by all ranks together."""
        return read_by_first(lambda: self._newest(step), self._accelerator)

    def _newest(self, step: int | None) -> tuple[Path | None, list[str]]:
        return self._newest_here(step) if self._copies is None else self._newest_of_all(self._copies, step)

    def _newest_here(self, step: int | None) -> tuple[Path | None, list[str]]:
        problems: list[str] = []
        for folder in reversed(self._committed()):
            if step is not None and step_of(folder.name) != step:
                continue
            problem = self._problem(folder)
            if problem is None:
                return folder, problems
            problems.append(f"{folder.name}: {problem}")
        return None, problems

    def _newest_of_all(self, copies: Copies, step: int | None) -> tuple[Path | None, list[str]]:
        """The newest of those here and the copies, which is here then."""
        here, problems = self._newest_here(step)
        if self._attempt == 1 or (step is not None and here is not None):
            return here, problems  # the place may be away, and need not be asked: no copy is newer
        for name in reversed(in_order(copies.names(), self._attempt)):
            if here is not None and order_of(name) <= order_of(here.name):
                break
            folder = self._folder / name
            if (step is None or step_of(name) == step) and copies.take(folder):
                problem = self._problem(folder)
                if problem is None:
                    return folder, problems
                problems.append(f"{name}: {problem}")
        return here, problems

    def _problem(self, folder: Path) -> str | None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            identity = manifest["identity"]
            if identity["training"] not in self._names or identity["device"] != self._identity["device"]:
                return "is of another training, or of another kind of device"
            for name, digest in manifest["sha256"].items():
                if digest_of(folder / name) != digest:
                    return f"{name} is damaged"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"cannot be read ({error})"
        return None

    def restore(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any) -> Progress:
        """Set everything to what it was when the checkpoint was saved; called by all ranks together."""
        self.restore_weights(folder, model)
        state, before = (
            self._read_json(folder / "state.json"),
            self._read_json(folder / MANIFEST)["identity"]["ranks"],
        )
        tensors = tensors_of_first(folder / "optimizer.safetensors", self._accelerator)
        optimizer.load_state_dict(optimizer_state(optimizer, tensors, state["optimizer"]))
        schedule.load_state_dict(state["schedule"])
        progress = Progress.from_json(state["progress"])
        randoms = read_by_first(lambda: _randoms(folder, self._accelerator.num_processes), self._accelerator)
        random = randoms.get(self._accelerator.process_index)
        if random is not None:
            RandomState.of_tensors(random).restore(self._accelerator.device)
        else:
            seed_rank(self._seed, self._accelerator.process_index, progress.step)
        now = self._accelerator.num_processes
        if before == now:
            return progress
        note = f"{now} processes instead of {before} after step {progress.step}: dropout draws differ from here on"
        return replace(progress, notes=(*progress.notes, note))

    def _read_json(self, file: Path) -> Any:
        return read_by_first(lambda: json.loads(file.read_text()), self._accelerator)

    def loss_state(self, folder: Path) -> dict[str, Tensor]:
        """What the loss remembered; called by all ranks together."""
        file = folder / LOSS
        return read_by_first(lambda: load_file(file) if file.exists() else {}, self._accelerator)

    def restore_weights(self, folder: Path, model: nn.Module) -> None:
        """Set the weights alone; those that are not trained stay as they are. Called by all ranks together."""
        weights = model.state_dict()
        missing = weights.keys() - _frozen(model)
        with torch.no_grad():
            for name, tensor in tensors_of_first(folder / "model.safetensors", self._accelerator):
                weights[name].copy_(in_parts_of(tensor, weights[name]))
                missing.discard(name)
        if missing:
            raise RuntimeError(f"{folder}: the checkpoint lacks {min(missing)}")

    def remove(self) -> None:
        """Delete all of them."""
        if self._accelerator.is_main_process:
            shutil.rmtree(self._folder, ignore_errors=True)


def _trained(model: nn.Module, keeps: bool) -> dict[str, Tensor]:
    """The whole tensors of what is trained, on a rank that keeps them."""
    frozen, trained = _frozen(model), {}
    for name, tensor in model.state_dict().items():
        if name not in frozen:
            full = whole(tensor).contiguous()
            if keeps:
                trained[name] = full
    return trained


def _random_file(rank: int) -> str:
    return f"random-{rank}.safetensors"


def _randoms(folder: Path, ranks: int) -> dict[int, dict[str, Tensor]]:
    """The random states that a checkpoint has for so many ranks, by rank."""
    files = {rank: folder / _random_file(rank) for rank in range(ranks)}
    return {rank: load_file(file) for rank, file in files.items() if file.exists()}


def _frozen(model: nn.Module) -> set[str]:
    """Parameters that are not trained: they are what the model was built with, and in no checkpoint."""
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
