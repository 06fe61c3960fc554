"""What a run begins with: the trials that earlier runs of the study left."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.report.narrow import print_lines
from sweep.run.displays import Shown
from sweep.settings import Settings
from sweep.study.trials import UNFINISHED
from sweep.study.view import StudyView

MOST_NAMED = 8  # trials in a message


@dataclass(frozen=True)
class Left:
    """Trials by what became of them. `saved`: the step that each begun training goes on from, by its key; `waiting`
    are all others that have not ended."""

    done: int
    target: int
    pruned: int
    failed: int
    saved: dict[str, int]
    waiting: int

    @property
    def is_new(self) -> bool:
        """Whether there is nothing to resume."""
        return not (self.done or self.failed or self.saved)

    def text(self, name: str, retries: bool) -> str:
        """A line or two on what there is. `retries`: whether FAILED trials are run again."""
        line = f"Resuming study '{name}': {self.done} of {self.target} trials are done."
        if self.pruned:
            line += f" Pruned, among them: {self.pruned}."
        if self.failed:
            line += f" Failed: {self.failed}{'' if retries else '; study.retry_failed=true runs them again'}."
        if self.saved:
            line += f" From checkpoints go on: {saved_text(self.saved)}."
        if self.waiting:
            line += f" From the start: {self.waiting}."
        return line


def tell_what_is_there(left: Left, settings: Settings, folder: StudyFolder, shown: Shown) -> None:
    """Say what a study that was begun before goes on with; to programs say of a new one, too, that it begins."""
    if not left.is_new:
        print_lines(shown.console, left.text(folder.path.name, settings.study.retry_failed))
    event = "study_started" if left.is_new else "study_resumed"
    shown.event(event, {"study": folder.path.name, "folder": str(folder.path), **asdict(left)})


def left_by(view: StudyView) -> Left:
    """What earlier runs left of a study."""
    states = view.states()
    counts = Counter(states.values())
    # What another machine has ended, and what is only not here yet, is nothing to go on with.
    saved = saved_steps(view.folder, [one for one in view.records() if states[one.key] in UNFINISHED])
    waiting = max(0, view.remaining() - len(saved))
    return Left(view.finished(), view.target, counts["PRUNED"], counts["FAILED"], saved, waiting)


def saved_steps(folder: StudyFolder, records: Sequence[TrialRecord]) -> dict[str, int]:
    """The last step that a checkpoint has, of each trial that was begun and has not ended."""
    begun = [record.key for record in records if record.state in UNFINISHED and record.attempts]
    steps = {key: _saved_step(folder.trial(key).checkpoint) for key in begun}
    return {key: step for key, step in steps.items() if step is not None}


def saved_text(saved: dict[str, int]) -> str:
    """Such as "ratio.monolingual=0,seed=0 at step 40", for a few of many trials."""
    named = [f"{key} at step {step}" for key, step in list(saved.items())[:MOST_NAMED]]
    return ", ".join(named) + (f" and {len(saved) - MOST_NAMED} more" if len(saved) > MOST_NAMED else "")


def saved_sentence(done: int, target: int, folder: StudyFolder, records: Sequence[TrialRecord]) -> str:
    """What a resumed study begins with, as the end of a sentence; nothing if that is not known."""
    if not target:
        return ""
    saved = saved_steps(folder, records)
    more = f", and {saved_text(saved)}" if saved else ""
    return f": {done} of {target} trials are done and saved{more}"


def _saved_step(checkpoints: Path) -> int | None:
    """The last step that a checkpoint has of a training; None if there is none."""
    steps = [folder.name.removeprefix("step-").partition(".")[0] for folder in checkpoints.glob("step-*.*")]
    return max((int(step) for step in steps if step.isdecimal()), default=None)
