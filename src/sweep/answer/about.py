"""How to repeat a study: its configuration, the command, and what its trials ran with."""

from collections.abc import Sequence

import yaml

from sweep.answer.contents import About
from sweep.answer.cost import endings_of
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.settings.saved_yaml import read_yaml
from sweep.settings.secrets import redact, redacted_leaves


def about_study(folder: StudyFolder, records: Sequence[TrialRecord], command: str) -> About:
    """The configuration as the folder has it, without passwords. Of several versions or commits that trials ran
    with, all are named.

    Raises InputError if the configuration is damaged, SweepError if a result is.
    """
    endings = endings_of(records)
    names = dict.fromkeys(name for ending in endings for name in ending.versions)
    versions = {
        name: ", ".join(sorted({ending.versions[name] for ending in endings if name in ending.versions}))
        for name in names
    }
    commits = dict.fromkeys(ending.commit for ending in endings if ending.commit is not None)
    config = yaml.safe_dump(redacted_leaves(read_yaml(folder.config)), sort_keys=False, allow_unicode=True)
    return About(redact(config), redact(command), versions, ", ".join(commits) or None)
