"""Joining a study: `launcher=join` finds what its owner has left, and helps until nothing of it is left to do.

Nothing of the study is decided here. It is not created, nothing is enqueued, and neither its settings nor its target,
tracker, tables and report are touched: those are the owner's.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from sweep import __version__
from sweep.data.described import data_records
from sweep.data.load import load_benchmarks, load_training_set
from sweep.errors import InputError, SweepError, shortened
from sweep.launch.capacity import with_workers
from sweep.launch.devices import visible_devices
from sweep.launch.liveness import alive_in, is_place
from sweep.launch.registry import make_launcher
from sweep.model.resolution import resolved
from sweep.records.caching import usable_cache
from sweep.records.data_record import DataRecord, changed_data, read_records, write_records
from sweep.records.files import make_folder, unwritable
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import StudyArtifacts
from sweep.report.narrow import print_lines
from sweep.run.displays import Shown
from sweep.run.helping import HelpingRun
from sweep.run.models import check_teachers, checked_models, models_of
from sweep.settings import Settings, StudySettings
from sweep.settings.compose import Composer
from sweep.settings.joined import joined_overrides
from sweep.settings.load import load_settings
from sweep.settings.secrets import redact
from sweep.study.readonly import RelationalReader
from sweep.study.recipe import Recipe, recipe_of
from sweep.study.storage import StudyMissing
from sweep.study.store import StorageError, StudyStore
from sweep.study.wanted import planned_trials

WORKER = "sweep.trial.worker:main"  # by name, since importing it takes seconds and happens elsewhere
FIRST_POLL_S, LONGEST_POLL_S = 1.0, 10.0  # for a study that has yet to begin


def join_study(machine: Settings, composer: Composer, shown: Shown, command: str) -> int:
    """Help with a study; 0 when nothing of it is left to do.

    Args:
        machine: the settings that are of this machine: the study's name and database, launcher and paths.
        composer: composes what the command line has.

    Raises InputError (no such study, or it would be another one here), Interrupted, or SweepError.
    """
    shown.begin()
    try:
        return _join(machine, composer, shown, command)
    except StorageError as error:
        raise SweepError(f"the study's database cannot be used: {redact(str(error.__cause__ or error))}") from error
    except SweepError as error:
        shown.event("study_stopped", {"reason": redact(str(error))})
        raise
    finally:
        shown.end()


def _join(machine: Settings, composer: Composer, shown: Shown, command: str) -> int:
    study = machine.study
    folder = StudyFolder((Path(machine.paths.sweeps) / study.name).resolve())
    _refuse_folder(machine, unwritable(folder.path))
    usable_cache(machine.paths)
    finished = 0
    while True:
        recipe = _await_recipe(machine, folder, shown.console)
        _refuse_folder(machine, make_folder(folder.path))
        settings, joined = _as_owned(recipe, composer, folder, shown.console)
        with _at(folder, settings) as store:
            check_place(settings.study, store, shown.console)
            launcher = make_launcher(settings.launcher, folder.workers, WORKER)
            display = shown.display(study.name)
            run = HelpingRun(settings, joined, folder, store, recipe, launcher, shown.console, display)
            run.run(command, finished)
            finished += run.finished
            if not run.recipe_changed:
                break
        _say(shown.console, f"The owner of study '{study.name}' has changed its target: going on with that")
    shown.end()
    _say(shown.console, f"Nothing of study '{study.name}' is left to do. Trials finished here: {finished}.")
    shown.event("study_left", {"study": study.name, "finished": finished})
    return 0


def _refuse_folder(machine: Settings, problem: str | None) -> None:
    if problem is not None:
        raise InputError(f"paths.sweeps={shortened(machine.paths.sweeps)}: {shortened(problem, 300)}")


@contextmanager
def _at(folder: StudyFolder, settings: Settings) -> Iterator[StudyStore]:
    store = StudyStore(folder, settings.study, alive_in(folder.workers))
    try:
        yield store
    finally:
        store.storage.close()


def check_place(study: StudySettings, store: StudyStore, console: Console) -> None:
    """Use the place of the artifacts once, if there is one: else a trial would be lost that cannot leave its result.

    Raises InputError if this machine cannot use it, and ArtifactsUnusable if it is away for too long.
    """
    artifacts = StudyArtifacts.of(study, store.folder, store.uid, partial(_say, console))
    if artifacts is not None:
        artifacts.store.check()


def _say(console: Console, text: str) -> None:
    print_lines(console, text)


def _await_recipe(machine: Settings, folder: StudyFolder, console: Console) -> Recipe:
    """What the owner has left. Its command and this one may be started in any order, so that a study which is not
    there yet is waited for as long as a database that is away. Raises InputError when patience ends."""
    study, waits, pause_s = machine.study, False, FIRST_POLL_S
    deadline = time.monotonic() + study.patience_s
    while True:
        problem = f"no command has left there what study '{study.name}' is made of"
        try:
            reader = RelationalReader(folder.database, study)
        except StudyMissing as missing:
            problem = str(missing)
        else:
            try:
                recipe = recipe_of(reader.attributes())
            finally:
                reader.close()
            if recipe is not None:
                return recipe
        if time.monotonic() > deadline:
            raise InputError(
                f"launcher=join: {problem}, and none came for {study.patience_s:.0f} s (study.patience_s): run the "
                "study's own command, with this study.storage, or check study.name"
            )
        if not waits:
            _say(console, f"Waiting for study '{study.name}' to begin at {study.storage}")
            waits = True
        # A thousand helpers may wait, and each look is a connection of its own.
        time.sleep(min(pause_s * random.uniform(0.5, 1.0), max(0.1, study.patience_s)))
        pause_s = min(1.5 * pause_s, LONGEST_POLL_S)


def _as_owned(recipe: Recipe, composer: Composer, folder: StudyFolder, console: Console) -> tuple[Settings, Composer]:
    """The owner's settings, with what is of this machine, and what composes them. Raises InputError if they, or the
    data, would be others here."""
    if recipe.version != __version__:
        raise InputError(
            f"the owner of the study runs version {recipe.version} of this program, and this is {__version__}: "
            f"install multilingual-ratio-sweep=={recipe.version} here"
        )
    joined = Composer("sweep", joined_overrides(recipe.overrides, composer.overrides), composer.config_dir)
    try:
        asked = load_settings(joined)
        settings = resolved(asked)
        if lines := recipe.differences(settings):
            raise InputError("on this machine the study would have other settings:\n" + "\n".join(lines))
    except InputError as error:
        raise InputError(f"the owner's settings are not the same here: {error}{_advice(recipe)}") from error
    _check_files(recipe, settings, folder)
    check_teachers(settings, joined)
    for line in checked_models(models_of(settings, joined)):
        _say(console, line)
    launcher = with_workers(settings.launcher, visible_devices(), planned_trials(settings.study))
    return settings.model_copy(update={"launcher": launcher}), joined


def _advice(recipe: Recipe) -> str:
    own = "" if recipe.config_dir is None else f" --config-dir with a copy of the owner's {recipe.config_dir},"
    return (
        f"\nThey are composed of: {shortened(' '.join(recipe.overrides), 600)}\n"
        f"Join with{own} the same paths of data and models, and the same variables of the environment"
    )


def _check_files(recipe: Recipe, settings: Settings, folder: StudyFolder) -> None:
    """Raise InputError if the data are not the owner's, or if nobody would see what trials leave in this folder."""
    is_shared = is_place(folder.workers, recipe.place)
    if recipe.study.get("artifacts") is None and not is_shared:
        raise InputError(
            f"{folder.path} is not the folder of the study's owner, and the study has no place that both reach: let "
            "the owner set study.artifacts=URL, or give a shared folder here with paths.sweeps=DIR"
        )
    now = data_records(settings, load_training_set(settings), load_benchmarks(settings))
    if changed := changed_data(recipe.data, now) or _unknown_data(recipe, now):
        raise InputError(f"the data here are not those of the study's owner: {changed}")
    if not is_shared and read_records(folder.path) != recipe.data:  # what models that are kept here say of it
        write_records(folder.path, recipe.data)


def _unknown_data(recipe: Recipe, now: Sequence[DataRecord]) -> str | None:
    """What of the data here the owner says nothing of: an owner of the same version and settings names all of it."""
    known = {(record.role, record.settings) for record in recipe.data}
    names = [record.text for record in now if (record.role, record.settings) not in known]
    return f"it does not have {names[0]}" if names else None
