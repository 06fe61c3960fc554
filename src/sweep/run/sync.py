"""The command that sends to a study's tracker what it lacks, as the user would type it."""

import shlex

from sweep.report.text import this_python
from sweep.settings import Settings
from sweep.settings.compose import Composer


def sync_command(settings: Settings, composer: Composer) -> str:
    """Names all places outside of the sweeps folder: a study's folder alone is no reason to ask them anything."""
    words = ["sync", settings.study.name]
    if settings.paths.sweeps != "sweeps":
        words += ["--sweeps", settings.paths.sweeps]
    if settings.study.storage is not None:
        words += ["--storage", composer.as_given("study.storage")]
    place = "path" if settings.tracking.kind == "json_lines" else "uri"
    if getattr(settings.tracking, place) is not None:
        words += ["--tracking", composer.as_given(f"tracking.{place}")]
    return f"{this_python()} -m sweep.studies {shlex.join(words)}"
