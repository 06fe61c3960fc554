"""What somebody should know who sorts a study's runs by a metric and looks at the one at the top."""

from collections.abc import Sequence

from sweep.records.trial_record import TrialRecord


def chosen_among(records: Sequence[TrialRecord]) -> str | None:
    """A note that the best of several figures is too high, and of how many; None if there is nothing to choose."""
    complete = [record for record in records if record.state == "COMPLETE"]
    points = {repr(sorted(record.parameters.items())) for record in complete}
    if len(complete) < 2:
        return None
    of_points = f"{len(points)} points" if len(points) > 1 else "one point"
    return (
        f"The best run by a metric is chosen among {len(complete)} trials of {of_points}: its figure is too high for "
        "having been chosen. The end of the study prints which points may be the best, and the cross-fitted figure."
    )
