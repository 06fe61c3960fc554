"""What a study took: time, by phase, and what it trained on."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from sweep.answer.contents import Cost
from sweep.records.ending import Ending, read_ending
from sweep.records.trial_record import TrialRecord


def cost_of(records: Sequence[TrialRecord]) -> Cost:
    """The time of all trials with a result, from these. A trial that was paused or killed counts with its last
    attempt alone: nobody knows how long the others took. `rows` are those of the trials that say how many they
    trained on, which the first version's do not; `tokens` is None unless all of them say.

    Raises SweepError if a result is damaged.
    """
    endings = endings_of(records)
    seconds = [ending.duration_s for ending in endings]
    by_phase: Counter[str] = Counter()
    for ending in endings:
        by_phase.update(ending.durations_s)
    tokens = [ending.tokens for ending in endings]
    known = [number for number in tokens if number is not None]
    return Cost(
        trials=len(endings),
        seconds=sum(seconds),
        by_phase=dict(by_phase),
        rows=sum(ending.rows or 0 for ending in endings),
        tokens=sum(known) if endings and len(known) == len(tokens) else None,
        median_trial_s=median(seconds) if seconds else 0.0,
    )


def endings_of(records: Sequence[TrialRecord]) -> list[Ending]:
    """What came of the finished trials, in the order of `records`."""
    folders = [
        record.folder for record in records if record.state in ("COMPLETE", "PRUNED") and record.folder is not None
    ]
    return [ending for ending in map(read_ending, folders) if ending is not None]
