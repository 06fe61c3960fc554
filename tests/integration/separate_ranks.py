"""A rank with a folder of its own, for test_rank_folders: it saves checkpoints, or says which one it goes on from."""

import json
import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from sweep.records.artifact_store import ArtifactStore
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import StudyArtifacts
from sweep.settings.artifacts import ArtifactsUrl
from sweep.training.checkpoint import Checkpoints
from sweep.training.progress import Progress
from sweep.trial.checkpoint_copies import CheckpointCopies

KEY = "seed=0"


def main(folder: Path, place: Path, attempt: int, steps: list[int]) -> None:
    """Save after these steps and tell the next random number; without steps, restore and tell it."""
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    study = StudyFolder(folder)
    artifacts = StudyArtifacts(ArtifactStore(ArtifactsUrl(f"file://{place}"), "study", 20), study)
    artifacts.store.check()
    copies = CheckpointCopies(artifacts, KEY, attempt)
    checkpoint = study.trial(KEY).checkpoint
    checkpoints = Checkpoints(checkpoint, "training", accelerator, attempt, copies=copies)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    told: dict[str, object] = {"rank": accelerator.process_index}
    torch.manual_seed(accelerator.process_index)
    for step in steps:
        torch.rand(step)
        torch.nn.init.constant_(model.weight, step)
        checkpoints.save(model, optimizer, schedule, Progress(step=step))
    if not steps:
        newest, problems = checkpoints.newest()
        assert newest is not None, problems
        told["name"] = newest.name
        told["step"] = checkpoints.restore(newest, model, optimizer, schedule).step
        told["weight"] = float(model.weight[0, 0])
    copies.finish()
    told["next"] = float(torch.rand(1))
    told["here"] = sorted(path.name for path in checkpoint.glob("step-*"))
    print(json.dumps(told))
    accelerator.end_training()


if __name__ == "__main__":
    os.environ["ACCELERATE_USE_CPU"] = "true"
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), [int(step) for step in sys.argv[4:]])
