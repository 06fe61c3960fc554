"""Which ratio a trial was trained with."""

from sweep.answer.ratios import GROUP, NAME, RATIO
from sweep.errors import InputError
from sweep.records.trial_record import TrialRecord
from sweep.settings.saved_yaml import read_yaml


def ratio_of(record: TrialRecord) -> float | None:
    """α of a trial, from its point or, where the config group is searched, from its configuration. None if the ratio
    was not searched, or if an earlier version did not keep the configuration.

    Raises InputError if that is damaged.
    """
    if RATIO in record.parameters:
        return float(record.parameters[RATIO])
    if GROUP not in record.parameters or record.folder is None or not record.folder.config.exists():
        return None
    section = read_yaml(record.folder.config).get(GROUP)
    ratio = section.get(NAME) if isinstance(section, dict) else None
    if not isinstance(ratio, (int, float)):
        raise InputError(f"{record.folder.config}: it has no {RATIO}, which every trial has")
    return float(ratio)
