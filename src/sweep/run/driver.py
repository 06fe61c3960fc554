"""Runs or resumes a study: checks its inputs, runs it, and prints the result."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from sweep.answer.study_answer import answer_of
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
from sweep.records.trial_record import TrialRecord, damaged_trials
from sweep.report.terminal import print_answer
from sweep.report.text import duration_text, this_python
from sweep.run.inputs import checked_inputs
from sweep.run.models import checked_models, models_of
from sweep.run.supervision import StudyRun
from sweep.run.sync import sync_command
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.earlier import overrides_of
from sweep.settings.load import load_settings
from sweep.study.store import StorageError, StudyStore
from sweep.study.wanted import planned_trials
from sweep.study.warm_start import warm_start
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.mirror import Mirror
from sweep.tracking.registry import place_of

MOST_NAMED = 5  # trials in a message
WORKER = "sweep.trial.worker:main"  # by name, since importing it takes seconds and happens elsewhere


def run_study(settings: Settings, composer: Composer, console: Console, command: str) -> int:
    """Run the study to its target; 0 if it is reached, 1 if trials FAILED.

    Raises InputError (bad input, other settings than before), Interrupted, or SweepError (another run is at work).
    """
    try:
        return _run_study(settings, composer, console, command)
    except StorageError as error:
        raise SweepError(f"the study's database cannot be used: {_first_line(error)}") from error


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0].split(" [SQL:")[0]


def _run_study(settings: Settings, composer: Composer, console: Console, command: str) -> int:
    started = time.monotonic()
    settings = resolved(settings)
    folder = StudyFolder((Path(settings.paths.sweeps) / settings.study.name).resolve())
    _refuse_folder(settings, unwritable(folder.path))
    usable_cache(settings.paths)
    place = place_of(settings.tracking, folder)
    if problem := place.problem():
        raise InputError(problem)
    make_launcher(_staffed(settings).launcher, folder.workers, WORKER)  # tells whether there are GPUs enough
    checked_models(models_of(settings, composer))
    notes = checked_inputs(settings, folder)
    _refuse_folder(settings, make_folder(folder.path))
    with only_driver(folder):
        store = StudyStore(folder, settings.study, alive_in(folder.workers))
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
        adopted = warm_start(store, settings, lambda point: resolved(load_settings(composer, point)), notes.data)
        store.enqueue()
        if adopted:
            kind = "trials" if settings.study.is_grid else "points"
            console.print(f"Taken over from study '{settings.study.warm_start}': {adopted} {kind}.")
        if finished := store.view.finished():
            console.print(f"Resuming study '{folder.path.name}': {finished} of {store.view.target} trials are done.")
        sync = sync_command(settings, composer)
        mirror = BackgroundMirror(Mirror(folder, place, store.uid), partial(_say, console), sync)
        staffed = _staffed(settings)
        launcher = make_launcher(staffed.launcher, folder.workers, WORKER)
        complete = StudyRun(staffed, composer, folder, store, launcher, mirror, console).run(command)
        records, compared = store.view.records(), store.view.compared()
        _check_finished(records, command)
    _print_results(settings, folder, compared, console)
    for line in _remarks(settings, folder, records, compared):
        _say(console, line)
    _next_commands(settings, folder, console, command, time.monotonic() - started, complete)
    return 0 if complete else 1


def _remarks(
    settings: Settings, folder: StudyFolder, records: Sequence[TrialRecord], compared: Sequence[TrialRecord]
) -> Iterator[str]:
    """What the tables do not have, and what was asked for and is not there."""
    if left_out := len(records) - len(compared):
        yield f"Left out: {left_out} trials of points that the grid does not have; {folder.trials_csv} has them."
    without = [one for one in compared if one.state == "COMPLETE" and not folder.trial(one.key).model.exists()]
    if settings.study.export == "all" and without:
        yield (
            f"study.export=all: {len(without)} finished trials were run without keeping their models; it counts for "
            "those that run from now on. For all models, run the study under another study.name."
        )


def _refuse_folder(settings: Settings, problem: str | None) -> None:
    if problem is not None:
        raise InputError(f"paths.sweeps={shortened(settings.paths.sweeps)}: {shortened(problem, 300)}")


def _check_finished(records: Sequence[TrialRecord], command: str) -> None:
    """Raise SweepError if files of finished trials are missing or damaged: no table says less than it seems to."""
    damaged = damaged_trials(records)
    if damaged:
        shown = "; ".join(f"{key}: {problem}" for key, problem in list(damaged.items())[:MOST_NAMED])
        more = f"; and {len(damaged) - MOST_NAMED} more" if len(damaged) > MOST_NAMED else ""
        raise SweepError(
            f"finished trials are damaged, so there is no table ({shown}{more}). Put their files back, or run them "
            f"again:\n  {command} study.rerun_damaged=true"
        )


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


def _print_results(settings: Settings, folder: StudyFolder, records: list[TrialRecord], console: Console) -> None:
    """Print the table of results, and how sure they are."""
    print_answer(console, answer_of(folder, records, settings))


def _next_commands(
    settings: Settings, folder: StudyFolder, console: Console, command: str, elapsed_s: float, complete: bool
) -> None:
    lines = [
        f"\n{'Done' if complete else 'Not complete'}, {duration_text(elapsed_s)}. All metrics: {folder.trials_csv}",
        f"Browse:  {place_of(settings.tracking, folder).browse(this_python())}",
        f"Resume:  {command}   (adds what is missing; finished trials stay)",
    ]
    if not complete and not settings.study.retry_failed:
        lines.append(f"Retry failed trials:  {command} study.retry_failed=true")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
