"""Commands that help a run, or make up for what it could not do, as the user would type them."""

import shlex
from pathlib import Path

from sweep.report.text import this_python
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.joined import reaching_out


def sync_command(settings: Settings, composer: Composer) -> str:
    """What sends to a study's tracker what it lacks. Names all places outside of the sweeps folder: a study's folder
    alone is no reason to ask them anything."""
    words = ["sync", settings.study.name]
    if settings.paths.sweeps != "sweeps":
        words += ["--sweeps", settings.paths.sweeps]
    if settings.study.storage is not None:
        words += ["--storage", composer.as_given("study.storage")]
    place = "path" if settings.tracking.kind == "json_lines" else "uri"
    if getattr(settings.tracking, place) is not None:
        words += ["--tracking", composer.as_given(f"tracking.{place}")]
    return f"{this_python()} -m sweep.studies {shlex.join(words)}"


def report_command(settings: Settings, composer: Composer) -> str:
    """What writes the report of a study anew."""
    words = [f"study.name={settings.study.name}"]
    if settings.paths.sweeps != "sweeps":
        words.append(f"paths.sweeps={settings.paths.sweeps}")
    if settings.study.storage is not None:
        words += ["--storage", composer.as_given("study.storage")]
    return f"{this_python()} -m sweep.report {shlex.join(words)}"


def join_command(settings: Settings, composer: Composer) -> str:
    """What helps with a study on PostgreSQL from another machine, or another folder."""
    words = ["launcher=join", f"study.name={settings.study.name}"]
    if settings.study.storage is not None:
        words.append(f"study.storage={composer.as_given('study.storage')}")
    if settings.study.artifacts is None:  # then all have to share the folder
        words.append(f"paths.sweeps={Path(settings.paths.sweeps).resolve()}")
    words += reaching_out(composer.overrides)
    if composer.config_dir is not None:
        words += ["--config-dir", composer.config_dir]
    return f"{this_python()} -m sweep {shlex.join(words)}"
