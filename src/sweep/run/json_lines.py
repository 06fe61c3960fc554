"""A running study for programs: one JSON object a line, with an `event` and the `time` in unix seconds.

Events: `study_started` or `study_resumed`, `trial_started`, `trial_finished`, `trial_pruned`, `trial_failed`,
`progress` (every ten seconds), `study_finished` with the answer's figures, `study_stopped` with the reason. What
is no number is null.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from sweep.run.progress import Best, Display, Progress

EVERY_S = 10.0
NAMES = {"COMPLETE": "trial_finished", "PRUNED": "trial_pruned", "FAILED": "trial_failed"}


class JsonLines(Display):
    """Prints to a console that wraps nothing; `clock` gives unix seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console = console
        self._clock = clock
        self._printed = 0.0
        self._running: set[str] = set()  # trials whose start was printed, and whose end was not

    def update(self, progress: Progress) -> None:
        """Print what ended and what began, and every ten seconds how far all of it is. No trial ends that has not
        begun: a short one may do both between two looks."""
        for record in progress.ended:
            if record.key not in self._running:
                self._start(record.key)
            self._running.remove(record.key)
            about: dict[str, Any] = {"trial": record.key, "parameters": record.parameters, "seed": record.seed}
            if record.state == "FAILED":
                about |= {"reason": record.reason}
            else:
                about |= {"objectives": list(record.values), "duration_s": record.duration_s}
            self.say(NAMES[record.state], about)
        for row in progress.started:
            if row.key not in {record.key for record in progress.ended}:
                self._start(row.key)
        if self._clock() - self._printed >= EVERY_S:
            self._printed = self._clock()
            self.say("progress", _progress(progress))

    def _start(self, trial: str) -> None:
        self._running.add(trial)
        self.say("trial_started", {"trial": trial})

    def say(self, event: str, about: Mapping[str, Any]) -> None:
        """Print one event."""
        line = json.dumps(_plain({"event": event, "time": self._clock(), **about}), allow_nan=False, default=str)
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _progress(progress: Progress) -> dict[str, Any]:
    best = progress.best
    return {
        "done": progress.done,
        "target": progress.target,
        "failed": progress.failed,
        "pruned": progress.pruned,
        "left_s": progress.left_s,
        "best": None if best is None else _best(best),
        "running": [
            {"trial": row.key, "phase": row.phase, "step": row.step, "steps": row.steps or None}
            | {"loss": row.loss, "steps_per_s": row.steps_per_s}
            for row in progress.workers
            if row.key
        ],
    }


def _best(best: Best) -> dict[str, Any]:
    point = {"parameters": dict(best.parameters), "seeds": best.seeds, "chosen_among": best.among}
    return {"metric": best.objective, "value": best.value, **point}


def _plain(value: Any) -> Any:
    """The same without what JSON does not have: infinities and NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
