"""The trials without a result that counts, and why."""

from collections.abc import Sequence

from sweep.answer.contents import EndedTrial
from sweep.errors import shortened
from sweep.records.trial_record import TrialRecord
from sweep.settings.secrets import redact

MOST_ENDED = 200  # of a large study the newest ones are listed
LONGEST_REASON = 500  # characters


def ended_trials(records: Sequence[TrialRecord]) -> tuple[EndedTrial, ...]:
    """The FAILED and PRUNED ones of `records`, newest first; of many the newest."""
    newest_first = sorted(records, key=lambda record: -record.number)
    ended = [
        EndedTrial(record.key, record.state, record.attempts, shortened(redact(record.reason or ""), LONGEST_REASON))
        for record in newest_first
        if record.state in ("FAILED", "PRUNED")
    ]
    return tuple(ended[:MOST_ENDED])
