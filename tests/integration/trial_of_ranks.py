"""One rank of a trial, as a process: `python trial_of_ranks.py FOLDER KILLED_AT OVERRIDE...`.

RANK and the like are in its environment. KILLED_AT is the step after which the whole group is killed (0: never). Rank
0 leaves its losses by step, its metrics and its model in FOLDER.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from sweep.model.export import export
from sweep.records.folder import StudyFolder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.watch import TrainingPoint, Watch
from sweep.trial.pipeline import Trial, TrialData, make_accelerator, run_trial


def run(folder: Path, killed_at: int, overrides: list[str]) -> None:
    settings = load_settings(Composer("sweep", overrides))
    torch.set_num_threads(1)
    study = StudyFolder(folder / "study")
    paths = study.trial("point")
    paths.path.mkdir(parents=True, exist_ok=True)
    losses: dict[int, float] = {}
    notes: list[str] = []

    def note(point: TrainingPoint) -> None:
        losses[point.step] = point.loss
        if point.step == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    trial = Trial(settings, "point", paths.embeddings, folder / "checkpoint", study)
    outcome = run_trial(trial, TrialData(), make_accelerator(), Watch(note, notes.append))
    if outcome is not None:
        export(outcome.retriever, folder / "model", "a card")
        left = {"losses": losses, "notes": notes, "metrics": outcome.result.metrics}
        (folder / "outcome.json").write_text(json.dumps(left))


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    os._exit(0)
