"""`python -m sweep.studies`: the studies of a sweeps folder, whether they run or not."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.answer.contents import StudyState
from sweep.answer.opened import Study, opened
from sweep.commands.command_line import console, run
from sweep.commands.saved_study import tracked_at
from sweep.errors import InputError, SweepError
from sweep.launch.driver_lock import ask_to_stop, driver_of, only_driver, stop_arguments
from sweep.launch.liveness import alive_in, held, is_joined, read_status
from sweep.records.data_record import data_lines, read_records
from sweep.records.export import export_trials
from sweep.records.folder import StudyFolder
from sweep.report.plain_console import say
from sweep.report.studies import StudyRow, print_status, print_studies
from sweep.report.text import this_python
from sweep.study.storage import StudyMissing
from sweep.study.trials import worker_of
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.protocol import Status, TrackerAway

EXAMPLES = """examples:
  python -m sweep.studies                                 all studies: state, progress, best point
  python -m sweep.studies status ratio_grid               its trials; of running ones step, loss and worker
  python -m sweep.studies stop ratio_grid                 what Ctrl-C does; a second time stops at once
  python -m sweep.studies sync ratio_grid                 send to the tracker what it lacks of a study
  python -m sweep.studies export ratio_grid grid.parquet  all trials with all metrics, as CSV or Parquet"""

ENDED: dict[StudyState, Status] = {"complete": "FINISHED", "stopped": "KILLED", "failed trials": "FAILED"}


def _row(study: Study) -> StudyRow:
    """Its line in the list."""
    records = study.view.compared()
    finished, target = study.view.here(), study.view.target
    settings = study.settings.study
    objective = settings.objectives[0].model_copy(update={"metric": settings.selected(settings.objectives[0].metric)})
    changed, confirmed = _changed(study.folder), settings.confirmed_seeds
    return StudyRow(study.folder.path.name, study.state, finished, target, records, objective, changed, confirmed)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 if the study could not be read or stopped, 2 for an unknown study or file type."""
    defaults = argparse.Namespace(sweeps="sweeps", storage=None, traceback=False)
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv, defaults)
    sweeps = Path(options.sweeps)

    def command() -> int:
        if options.command == "stop":
            _stop(sweeps, options.name, options.storage)
        elif options.command in ("status", "export", "sync"):
            try:
                with opened(_folder(sweeps, options.name), options.storage) as study:
                    if options.command == "status":
                        _status(study, options.all)
                    elif options.command == "sync":
                        _sync(study, options.tracking)
                    else:
                        rows = export_trials(study.folder, study.view.records(), Path(options.file))
                        say(f"{rows} trials: {options.file}")
            except StudyMissing as error:
                raise SweepError(f"study '{options.name}' cannot be read: {error}") from error
        else:
            _list(sweeps, options.storage)
        return 0

    return run(command, options.traceback)


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    # Without a default here: a subcommand's default would undo what was given before it.
    shared.add_argument(
        "--sweeps", metavar="FOLDER", default=argparse.SUPPRESS, help="the folder of all studies (default: sweeps)"
    )
    shared.add_argument(
        "--storage",
        metavar="URL",
        default=argparse.SUPPRESS,
        help="the server of studies whose database is on one: '${oc.env:SWEEP_STORAGE}'; no other is ever asked",
    )
    shared.add_argument("--traceback", action="store_true", default=argparse.SUPPRESS, help="show that of an error")
    parser = argparse.ArgumentParser(
        prog="python -m sweep.studies",
        description="List, inspect, stop and export studies. Reading does not disturb a study that runs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    commands.add_parser("list", parents=[shared], help="all studies (the default)")
    status = commands.add_parser("status", parents=[shared], help="the trials of a study")
    status.add_argument("name", metavar="NAME")
    status.add_argument("--all", action="store_true", help="all trials, also of a large study")
    stop = commands.add_parser("stop", parents=[shared], help="ask a running study to save its trials and to end")
    stop.add_argument("name", metavar="NAME")
    sync = commands.add_parser("sync", parents=[shared], help="send to MLflow, or another tracker, what it lacks")
    sync.add_argument("name", metavar="NAME")
    sync.add_argument("--tracking", metavar="URI", help="where to, if that is outside of the sweeps folder")
    export = commands.add_parser("export", parents=[shared], help="trials with all metrics, as FILE.csv or .parquet")
    export.add_argument("name", metavar="NAME")
    export.add_argument("file", metavar="FILE")
    return parser


def study_names(sweeps: Path) -> list[str]:
    """The studies of a folder. Raises InputError if there is no such folder."""
    if not sweeps.is_dir():
        raise InputError(f"no folder {sweeps}: name the folder of your studies with --sweeps FOLDER")
    return sorted(file.parent.name for file in sweeps.glob("*/config.yaml"))


def _folder(sweeps: Path, name: str) -> StudyFolder:
    names = study_names(sweeps)
    if name not in names:
        there = f"there are: {', '.join(names)}" if names else "there are none yet"
        raise InputError(f"no study '{name}' in {sweeps}; {there}")
    return StudyFolder((sweeps / name).resolve())


def _list(sweeps: Path, storage: str | None) -> None:
    names = study_names(sweeps)
    if not names:
        say(f"no studies in {sweeps}")
        return
    rows, unreadable = [], []
    for name in names:
        try:
            with opened(_folder(sweeps, name), storage) as study:
                rows.append(_row(study))
        except Exception as error:  # whatever is wrong with one of them, the others are shown
            if not isinstance(error, SweepError):
                error = SweepError(f"{type(error).__name__}: {error}")
            unreadable.append(f"{name}: cannot be read ({' '.join(str(error).split())})")
    print_studies(console(), rows)
    for line in unreadable:
        say(line, sys.stderr)


def _status(study: Study, every: bool) -> None:
    alive = alive_in(study.folder.workers)
    workers = [file.stem for file in sorted(study.folder.workers.glob("*.json"))]
    statuses = {worker: read_status(study.folder.workers, worker) for worker in workers if alive(worker)}
    row, driver = _row(study), driver_of(study.folder)
    print_status(console(), row, {status["key"]: (worker, status) for worker, status in statuses.items()}, every)
    if left_out := len(study.view.records()) - len(row.records):
        say(f"{left_out} more of points that the grid does not have: {study.folder.trials_csv}")
    if missing := len(study.view.missing()):
        say(f"not here: {missing} trials that have ended on other machines; the study's command fetches them")
    for line in data_lines(read_records(study.folder.path)):
        say(line)
    if driver is not None:
        say(f"run by process {driver.pid} on {driver.host}")
    elif study.owner is not None:
        say(f"run by {study.owner.text}")
    running = [trial for trial in study.view.trials().values() if trial.state == "RUNNING"]
    if helpers := {worker_of(trial.holder) for trial in running if is_joined(trial.holder)}:
        say(f"helped by {len(helpers)} worker{'s' if len(helpers) > 1 else ''} of commands that joined it")


def _stop(sweeps: Path, name: str, storage: str | None) -> None:
    folder = _folder(sweeps, name)
    if storage is not None and driver_of(folder) is None:
        with opened(folder, storage) as study:
            if study.owner is not None:
                raise SweepError(f"study '{name}' is run by {study.owner.text}: stop it there")
    driver = ask_to_stop(folder)
    again = f"{this_python()} {stop_arguments(folder)}"
    say(f"asked process {driver.pid} to finish or save its trials and to end; at once, if asked again:\n  {again}")


def _sync(study: Study, tracking: str | None) -> None:
    """Mirror a study that does not run. Raises SweepError while it runs, and if its tracker is away."""
    folder, view, name = study.folder, study.view, study.folder.path.name
    if held(folder.driver_lock) or study.owner is not None:
        raise SweepError(f"study '{name}' is running: the command that runs it sends everything to the tracker")
    place = tracked_at(study, tracking)
    with only_driver(folder):
        mirror = Mirror(folder, place, view.uid)
        snapshot = Snapshot(view.records(), ENDED[study.ending])
        try:
            sent = mirror.send(snapshot)
        except TrackerAway as error:
            missing = f"{len(mirror.missing(snapshot))} of {len(snapshot.records)} trials are missing there"
            raise SweepError(f"{place.name} cannot be reached ({error}); {missing}") from error
    say(f"{name}: {sent} trials sent to {place.name}")
    if (remark := mirror.remark(snapshot)) is not None:
        say(remark)
    for problem in mirror.lacking:
        say(f"{place.name}: {problem}")
    if lacking := mirror.lacking_files(snapshot):
        raise SweepError(f"{place.name} takes no files ({mirror.files_problem}); {len(lacking)} runs lack theirs")
    if mirror.refused:
        reasons = "; ".join(f"{key}: {reason}" for key, reason in mirror.refused.items())
        raise SweepError(f"{place.name} does not take {reasons}")


def _changed(folder: StudyFolder) -> float:
    """Unix time of the last sign of life: of its database, or of a worker."""
    # Not the log's index, study.db-shm: whoever reads touches it.
    databases = [folder.database, folder.path / "study.db-wal"]
    files = [folder.config, folder.trials_csv, *databases, *folder.workers.glob("*.json")]
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
