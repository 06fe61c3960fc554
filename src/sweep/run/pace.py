"""How fast trials run: steps a second and recent losses of running ones, and the time that is left for all."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import fmean

from sweep.report.text import Status

WINDOW_S = 20.0  # of steps a second
KEPT = 60  # losses
LEAST_SHARE = 0.05  # of a trial's steps, before its bar says anything about time
OVERTIME = 0.05  # of a trial's time: what a trial that takes longer than others is taken to need yet


class TrialPace:
    """What was seen of one running trial in this run of the command."""

    def __init__(self, status: Status, now: float) -> None:
        self.began = now
        self.share_before = share_of(status)  # of a trial that goes on from a checkpoint
        self.losses: deque[float] = deque(maxlen=KEPT)
        self._steps: deque[tuple[float, int]] = deque()
        self._share = self.share_before

    def note(self, status: Status) -> None:
        """Remember a status: its loss and its step at its time."""
        step, when = status["step"], float(status.get("time", 0.0))
        self._share = max(self._share, share_of(status))
        if self._steps and step <= self._steps[-1][1]:
            return
        self._steps.append((when, step))
        while len(self._steps) > 2 and when - self._steps[0][0] > WINDOW_S:
            self._steps.popleft()
        if status["loss"] is not None:
            self.losses.append(float(status["loss"]))

    @property
    def steps_per_s(self) -> float | None:
        """Over the last seconds; None before two steps were seen."""
        if len(self._steps) < 2:
            return None
        (first_s, first), (last_s, last) = self._steps[0], self._steps[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None

    def whole_s(self, now: float) -> float | None:
        """How long the trial would take from its first step to its last at this pace; None while too little is
        known."""
        gained = self._share - self.share_before
        return (now - self.began) / gained if gained >= LEAST_SHARE else None


def share_of(status: Status) -> float:
    """The share of a trial's steps that is done."""
    return float(status["step"] / status["steps"]) if status.get("steps") else 0.0


class Pace:
    """Remembers running trials by their keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._trials: dict[str, TrialPace] = {}

    def note(self, statuses: Sequence[Status]) -> list[str]:
        """Remember what workers say; trials that no worker has any more are forgotten. The keys of new ones."""
        running = {str(status["key"]): status for status in statuses if status}
        new = [key for key in running if key not in self._trials]
        now = self._clock()
        self._trials = {key: self._trials.get(key) or TrialPace(status, now) for key, status in running.items()}
        for key, status in running.items():
            self._trials[key].note(status)
        return new

    def of(self, key: str) -> TrialPace:
        """What is known of a running trial."""
        return self._trials[key]

    def left_s(self, durations: Sequence[float], remaining: int, workers: int) -> float | None:
        """Seconds until `remaining` trials, the running ones among them, are done by `workers` workers.

        A trial is taken to last as long as those that have finished did on average (`durations`, in seconds); before
        the first one has, as long as the steps of the running ones let expect. None while neither is known.
        """
        now = self._clock()
        expected = [whole for trial in self._trials.values() if (whole := trial.whole_s(now)) is not None]
        if not durations and not expected:
            return None
        whole_s = fmean(durations or expected)
        rests = [
            max(OVERTIME, 1 - trial.share_before - (now - trial.began) / whole_s) * whole_s if whole_s else 0.0
            for trial in self._trials.values()
        ][:remaining]
        busy = [*rests, *[0.0] * (max(1, workers) - len(rests))]
        rounds, rest = divmod(remaining - len(rests), len(busy))
        free_at = [moment + rounds * whole_s for moment in busy]
        heapq.heapify(free_at)
        for _ in range(rest):
            heapq.heapreplace(free_at, free_at[0] + whole_s)
        return max(free_at)
