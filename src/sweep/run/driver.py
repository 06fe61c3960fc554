"""Runs or resumes a study: checks its inputs, runs it, and prints the result."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from sweep.errors import InputError, SweepError, shortened
from sweep.launch.capacity import with_workers
from sweep.launch.devices import visible_devices
from sweep.launch.driver_lock import only_driver
from sweep.launch.liveness import alive_in
from sweep.launch.registry import make_launcher
from sweep.model.resolution import resolved
from sweep.records.caching import usable_cache
from sweep.records.files import make_folder, unwritable
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import refuse_damaged
from sweep.report.narrow import print_lines
from sweep.run.displays import Shown
from sweep.run.ending import End, print_end
from sweep.run.inputs import checked_inputs
from sweep.run.models import check_teachers, checked_models, models_of
from sweep.run.notes import StudyNotes
from sweep.run.report_files import ReportFiles
from sweep.run.report_writer import ReportWriter
from sweep.run.resuming import left_by, tell_what_is_there
from sweep.run.supervision import StudyRun
from sweep.run.sync import join_command, report_command, sync_command
from sweep.settings import Settings, SlurmLauncher
from sweep.settings.compose import Composer
from sweep.settings.earlier import overrides_of
from sweep.settings.load import load_settings
from sweep.settings.secrets import redact
from sweep.study.ownership import Ownership, owning
from sweep.study.recipe import leave_recipe
from sweep.study.store import StorageError, StudyStore
from sweep.study.wanted import planned_trials
from sweep.study.warm_start import warm_start
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.mirror import Mirror
from sweep.tracking.registry import place_of

WORKER = "sweep.trial.worker:main"  # by name, since importing it takes seconds and happens elsewhere


def run_study(settings: Settings, composer: Composer, shown: Shown, command: str) -> int:
    """Run the study to its target; 0 if it is reached, 1 if trials FAILED.

    Raises InputError (bad input, other settings than before), Interrupted, or SweepError (another run is at work).
    """
    if isinstance(settings.launcher, SlurmLauncher) and settings.launcher.dry_run:
        print(make_launcher(settings.launcher, _folder_of(settings).workers, WORKER).preview, end="")
        return 0
    shown.begin()
    try:
        return _run_study(settings, composer, shown, command)
    except StorageError as error:
        raise SweepError(f"the study's database cannot be used: {_first_line(error)}") from error
    except SweepError as error:
        shown.event("study_stopped", {"reason": redact(str(error))})
        raise
    finally:
        shown.end()


def _say(console: Console, text: str) -> None:
    print_lines(console, text)


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0].split(" [SQL:")[0]


def _run_study(settings: Settings, composer: Composer, shown: Shown, command: str) -> int:
    started, console = time.monotonic(), shown.console
    display = shown.display(settings.study.name)
    settings = resolved(settings)
    folder = _folder_of(settings)
    _refuse_folder(settings, unwritable(folder.path))
    usable_cache(settings.paths)
    place = place_of(settings.tracking, folder)
    if problem := place.problem():
        raise InputError(problem)
    make_launcher(_staffed(settings).launcher, folder.workers, WORKER)  # tells whether there are GPUs enough
    checked_models(models_of(settings, composer))
    check_teachers(settings, composer)
    notes = checked_inputs(settings, folder)
    _refuse_folder(settings, make_folder(folder.path))
    with only_driver(folder), ExitStack() as held:
        store = StudyStore(folder, settings.study, alive_in(folder.workers))
        held.callback(lambda: store.storage.close())  # else the file would change when its connections are collected
        joining = join_command(settings, composer)
        ownership = held.enter_context(owning(store.storage, settings.study, folder, joining))
        begun, composer = _as_begun(store, settings, composer, console)
        notes = notes if begun == settings else checked_inputs(begun, folder)
        settings, is_new = begun, store.remembered is None
        if settings.study != store.settings:
            store.storage.close()
            store = StudyStore(folder, settings.study, alive_in(folder.workers))
        store.check_settings(settings)
        notes = notes.of_study(folder, is_new)
        notes.write(folder)
        for line in (*checked_models(models_of(settings, composer)), *notes.lines):
            _say(console, line)
        _enqueue(store, settings, composer, ownership, notes, console)
        tell_what_is_there(left_by(store.view), settings, folder, shown)
        say = partial(_say, console)
        mirror = BackgroundMirror(Mirror(folder, place, store.uid), say, sync_command(settings, composer))
        again = report_command(settings, composer)
        files = ReportFiles(folder, settings, command)
        reporter = ReportWriter(files.write, settings.report.every_s, say, again)
        staffed = _staffed(settings)
        launcher = make_launcher(staffed.launcher, folder.workers, WORKER)
        wanted = reporter if settings.report.files else None
        run = StudyRun(staffed, composer, folder, store, launcher, ownership, mirror, wanted, console, display)
        complete = run.run(command)
        records, compared = store.view.records(), store.view.compared()
        refuse_damaged(records, command)
        counts = store.view.finished(), store.view.target
    shown.end()
    elapsed_s = time.monotonic() - started
    print_end(settings, folder, shown, End(command, counts, records, compared, elapsed_s, complete, files.systems))
    return 0 if complete else 1


def _enqueue(
    store: StudyStore,
    settings: Settings,
    composer: Composer,
    ownership: Ownership,
    notes: StudyNotes,
    console: Console,
) -> None:
    """Let there be trials to claim, after whatever those who join the study need to know of them."""
    if ownership.has_helpers:
        leave_recipe(store, settings, composer, notes.data, ownership)
    adopted = warm_start(store, settings, lambda point: resolved(load_settings(composer, point)), notes.data)
    ownership.assure(store.storage, at_once=True)
    store.enqueue(partial(ownership.check, store.storage))
    if adopted:
        kind = "trials" if settings.study.is_grid else "points"
        _say(console, f"Taken over from study '{settings.study.warm_start}': {adopted} {kind}.")
    if not settings.launcher.workers:
        joining = join_command(settings, composer)
        _say(console, f"No workers here (launcher.workers=0): the trials wait for commands that join:\n  {joining}")


def _folder_of(settings: Settings) -> StudyFolder:
    return StudyFolder((Path(settings.paths.sweeps) / settings.study.name).resolve())


def _refuse_folder(settings: Settings, problem: str | None) -> None:
    if problem is not None:
        raise InputError(f"paths.sweeps={shortened(settings.paths.sweeps)}: {shortened(problem, 300)}")


def _staffed(settings: Settings) -> Settings:
    """With a number of workers: what the machine has room for, and no more than there are trials."""
    launcher = with_workers(settings.launcher, visible_devices(), planned_trials(settings.study))
    return settings.model_copy(update={"launcher": launcher})


def _as_begun(
    store: StudyStore, settings: Settings, composer: Composer, console: Console
) -> tuple[Settings, Composer]:
    """Settings with what stood for one that there was not yet when the study was begun."""
    missing = overrides_of(store.remembered, settings, store.version) if store.remembered else ()
    if not missing:
        return settings, composer
    composer = Composer(composer.config_name, [*missing, *composer.overrides], composer.config_dir)
    begun = resolved(load_settings(composer))
    if begun != settings:  # it is the same where the command line says it otherwise
        _say(console, f"This study was begun with {' '.join(missing)}, and goes on with it.")
    return begun, composer
