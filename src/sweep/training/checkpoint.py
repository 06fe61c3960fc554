"""Checkpoints of a training, exact to the bit: all that was trained, the random state, and losses not yet logged.

A checkpoint is a folder `step-<number>` that is written under another name, synchronised to the disk, and renamed: it
is there as a whole or not at all. Tensors are safetensors and the rest is JSON, so that nothing in it is executed; a
manifest has the SHA-256 of every file. The last two are kept: if the newest is damaged, the one before is used. That
of the best validation is kept, too, where it is needed in the end.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sweep.errors import Fenced

KEPT = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Progress:
    """How far a training is: steps done, the losses since the last logged point, seconds spent over all attempts,
    the best validation (its step and value), validations since then, and whether it has ended before its last step.
    """

    step: int = 0
    losses: tuple[float, ...] = ()
    last_loss: float = math.nan
    seconds: float = 0.0
    best: tuple[int, float] | None = None
    worse: int = 0
    ended: bool = False


class Checkpoints:
    """A trial's checkpoints. `identity` names the training that they belong to; others' are not used.

    Rank 0 writes what all ranks share; every rank writes its own random state. An attempt reads what it and earlier
    attempts wrote, and writes under names of its own, so that one that wakes from a long pause overwrites nothing of
    its successor; `still_mine` is asked before each commit.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        accelerator: Accelerator,
        attempt: int = 1,
        still_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        self._folder = folder
        self._identity = {"training": identity, "ranks": accelerator.num_processes, "device": accelerator.device.type}
        self._accelerator = accelerator
        self._attempt = attempt
        self._still_mine = still_mine

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any, progress: Progress) -> None:
        """Commit a checkpoint; called by all ranks together. Raises Fenced on rank 0 if the trial is another's."""
        name = f"step-{progress.step:08d}.{self._attempt}"
        draft = self._folder / f".{name}.draft"
        if self._accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            weights = model.state_dict()
            frozen = _frozen(model)
            trained = {key: tensor.contiguous() for key, tensor in weights.items() if key not in frozen}
            save_file(trained, draft / "model.safetensors")
            tensors, rest = _optimizer_parts(optimizer)
            save_file(tensors, draft / "optimizer.safetensors")
            state = {"progress": asdict(progress), "optimizer": rest, "schedule": schedule.state_dict()}
            (draft / "state.json").write_text(json.dumps(_plain(state)))
        self._accelerator.wait_for_everyone()
        save_file(_random_state(self._accelerator.device), draft / self._random_file())
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            self._commit(draft, self._folder / name)
            self._remove_old(progress)
        self._accelerator.wait_for_everyone()

    def _commit(self, draft: Path, final: Path) -> None:
        if not self._still_mine():
            shutil.rmtree(draft)
            raise Fenced(f"{self._folder.parent.name}: another attempt has taken this trial over")
        files = {file.name: _digest(file) for file in sorted(draft.iterdir())}
        (draft / MANIFEST).write_text(json.dumps({"identity": self._identity, "sha256": files}))
        for file in (*draft.iterdir(), draft):
            _synchronise(file)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(draft, final)
        _synchronise(self._folder)

    def _remove_old(self, progress: Progress) -> None:
        """Keep the last ones, and that of the best validation."""
        for old in self._committed()[:-KEPT]:
            if progress.best is None or _step_of(old) != progress.best[0]:
                shutil.rmtree(old, ignore_errors=True)  # a fenced attempt may be at it, too

    def _random_file(self) -> str:
        return f"random-{self._accelerator.process_index}.safetensors"

    def _committed(self) -> list[Path]:
        """Those of this attempt and of earlier ones, by step and then by attempt."""
        found = [folder for folder in self._folder.glob("step-*") if _attempt_of(folder) <= self._attempt]
        return sorted(found, key=lambda folder: (_step_of(folder), _attempt_of(folder)))

    def newest(self, step: int | None = None) -> tuple[Path | None, list[str]]:
        """The newest sound checkpoint of this training (after this step, if one is given), and what is wrong with
        newer ones."""
        problems: list[str] = []
        for folder in reversed(self._committed()):
            if step is not None and _step_of(folder) != step:
                continue
            problem = self._problem(folder)
            if problem is None:
                return folder, problems
            problems.append(f"{folder.name}: {problem}")
        return None, problems

    def _problem(self, folder: Path) -> str | None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            if manifest["identity"] != self._identity:
                return "is of another training, or of another number of processes"
            for name, digest in manifest["sha256"].items():
                if _digest(folder / name) != digest:
                    return f"{name} is damaged"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"cannot be read ({error})"
        return None

    def restore(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any) -> Progress:
        """Set everything to what it was when the checkpoint was saved."""
        self.restore_weights(folder, model)
        state = json.loads((folder / "state.json").read_text())
        optimizer.load_state_dict(_optimizer_state(load_file(folder / "optimizer.safetensors"), state["optimizer"]))
        schedule.load_state_dict(state["schedule"])
        _set_random_state(load_file(folder / self._random_file()), self._accelerator.device)
        progress = state["progress"]
        best = None if progress["best"] is None else (int(progress["best"][0]), float(progress["best"][1]))
        return Progress(**{**progress, "losses": tuple(progress["losses"]), "best": best})

    def restore_weights(self, folder: Path, model: nn.Module) -> None:
        """Set the weights alone; those that are not trained stay as they are."""
        weights = model.state_dict()
        frozen = {key: weights[key] for key in _frozen(model)}
        model.load_state_dict(frozen | load_file(folder / "model.safetensors"))

    def remove(self) -> None:
        """Delete all of them."""
        if self._accelerator.is_main_process:
            shutil.rmtree(self._folder, ignore_errors=True)


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-").split(".")[0])


def _attempt_of(folder: Path) -> int:
    return int(folder.name.split(".")[1])


def _frozen(model: nn.Module) -> set[str]:
    """Parameters that are not trained: they are what the model was built with, and in no checkpoint."""
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def _optimizer_parts(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by "parameter.name", and the rest of the optimizer's state."""
    state = optimizer.state_dict()
    tensors, numbers = {}, {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}.{name}"] = value.contiguous()
            else:
                numbers[f"{parameter}.{name}"] = value
    return tensors, {"numbers": numbers, "param_groups": state["param_groups"]}


def _optimizer_state(tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest["numbers"]}.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = value
    groups = [
        {**group, "betas": tuple(group["betas"])} if "betas" in group else group for group in rest["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _plain(value: Any) -> Any:
    """Without what JSON cannot hold: the schedule keeps its functions."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value if not callable(item)]
    return value


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
