"""How much of the objective's variance each searched path explains."""

from collections.abc import Sequence

from sweep.answer.contents import Importance
from sweep.records.trial_record import TrialRecord
from sweep.settings import StudySettings


def importances(records: Sequence[TrialRecord], study: StudySettings) -> tuple[Importance, ...]:
    """The searched paths and their shares, largest first; none of a study with a single path, or with few points
    (`sweep.study.importance`)."""
    if len(study.space) < 2:
        return ()
    from sweep.study.importance import variance_shares  # Optuna's forests take a second to import

    shares = variance_shares(records, study.space)
    return tuple(Importance(path, share) for path, share in shares.items())
