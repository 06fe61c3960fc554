"""Studies in notebooks and scripts: `from sweep import open_study`."""

from contextlib import AbstractContextManager
from functools import cached_property
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sweep.answer.contents import StudyReport, StudyState
from sweep.answer.opened import Study, opened
from sweep.errors import InputError, SweepError
from sweep.records.folder import StudyFolder
from sweep.records.last_command import read_command
from sweep.records.trial_record import refuse_damaged
from sweep.settings import Settings
from sweep.settings.wording import excerpt, suggestion
from sweep.study.storage import StudyMissing

if TYPE_CHECKING:
    import pandas as pd

    from sweep.answer.contents import RatioCurve
    from sweep.answer.study_answer import StudyAnswer
    from sweep.answer.systems import Systems

SWEEPS = "sweeps"  # where commands put studies unless paths.sweeps says otherwise
MOST_ROWS = 20  # of the table that a notebook shows


def open_study(study: str | Path, *, storage: str | None = None) -> "OpenedStudy":
    """Open a study to look at it, whether it runs or not. Nothing is created, locked or changed.

    Args:
        study: its folder, such as "sweeps/ratio_grid", or its name if that folder is in ./sweeps.
        storage: the URL of its database if that is on a server, as `study.storage` was given:
            "${oc.env:SWEEP_STORAGE}". No other server is asked, whatever the folder says.

    Raises:
        InputError: there is no such study, its configuration is damaged, or its database is on a server and
            `storage` is not given.
        SweepError: it has no database, or that cannot be read.
    """
    folder = _folder(Path(study))
    context = opened(folder, storage, "storage=")
    try:
        return OpenedStudy(context.__enter__(), context)
    except StudyMissing as error:
        raise SweepError(f"study '{folder.path.name}' cannot be read: {error}") from error


def _folder(given: Path) -> StudyFolder:
    """The folder of a path or a name. Raises InputError."""
    for path in (given, Path(SWEEPS) / given):
        if (path / "config.yaml").is_file():
            return StudyFolder(path.resolve())
    parent = given.parent if len(given.parts) > 1 else Path(SWEEPS)
    names = sorted(file.parent.name for file in parent.glob("*/config.yaml"))
    known = f"; there are: {', '.join(names[:MOST_ROWS])}" if names else ""
    raise InputError(f"no study '{excerpt(str(given))}' in {parent}{suggestion(given.name, names) or known}")


class OpenedStudy:
    """A study as pandas frames, as what tables print (`answer`), and as a report.

    Every look is at the study as it is at that moment; what was read of unchanged files of ranks is kept. Closes its
    database by `close()`, or at the end of a `with`. All figures, intervals and tests are those of the report and of
    docs/statistics.md: of a study that chooses by one half of the questions they are of the other half.
    """

    def __init__(self, study: Study, context: AbstractContextManager[Study] | None = None) -> None:
        self._study = study
        self._context = context

    @property
    def name(self) -> str:
        """Its name, that of its folder."""
        return self._study.folder.path.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._study.folder.path

    @property
    def settings(self) -> Settings:
        """Its settings, frozen."""
        return self._study.settings

    @property
    def state(self) -> StudyState:
        """Whether it is running, stopped, complete, or has all it can get with trials that FAILED."""
        return self._study.state

    @property
    def trials(self) -> "pd.DataFrame":
        """A row a trial, whatever its state, in order of their numbers: see `sweep.answer.frames.trials_frame`."""
        from sweep.answer.frames import trials_frame

        return trials_frame(self._study.view.records())

    @property
    def metrics(self) -> "pd.DataFrame":
        """A row for each metric of each finished trial: see `sweep.answer.frames.metrics_frame`."""
        from sweep.answer.frames import metrics_frame

        return metrics_frame(self._study.folder, self._study.view.records())

    def values(self, *metrics: str) -> "pd.DataFrame":
        """Some metrics, such as "pooled/map" or "xquad_r/mono/map/en", a column each, by trial: quick where `metrics`
        has millions of rows. Without a benchmark the first one is meant. Raises InputError for what no trial has."""
        from sweep.answer.frames import values_frame

        return values_frame(self._study.folder, self._study.view.records(), self._benchmark, metrics)

    @property
    def points(self) -> "pd.DataFrame":
        """A row a point with the mean over its seeds, their standard deviation, and the 95 % interval, by the first
        objective: `figures()`."""
        return self.figures()

    def figures(self, metric: str | None = None) -> "pd.DataFrame":
        """The same by any metric: see `sweep.answer.compared_frames.points_frame`."""
        from sweep.answer.compared_frames import points_frame

        return points_frame(self._study, self.answer, self._systems, metric)

    def ranks(self, key: str, benchmark: str | None = None) -> "pd.DataFrame":
        """A row for each question of a trial and each of its relevant passages, with the ranks: see
        `sweep.answer.frames.ranks_frame`."""
        from sweep.answer.frames import ranks_frame

        return ranks_frame(self._study.folder, key, benchmark or self._benchmark)

    def comparisons(self, metric: str | None = None, reference: str | float | None = None) -> "pd.DataFrame":
        """Ratios against references, with Holm's correction over all rows: see
        `sweep.answer.compared_frames.comparisons_frame`."""
        from sweep.answer.compared_frames import comparisons_frame

        return comparisons_frame(self._study, self.answer, self._systems, metric, reference)

    @property
    def curves(self) -> "tuple[RatioCurve, ...]":
        """The curves over the ratios that the report draws."""
        from sweep.answer.curves import ratio_curves

        return ratio_curves(self._study.folder, self.answer, self.settings, self._systems)

    @property
    def answer(self) -> "StudyAnswer":
        """What the study answers, as its tables print it."""
        from sweep.answer.study_answer import answer_of

        refuse_damaged(self._study.view.compared(), self._command, every_byte=False)
        return answer_of(self._study.folder, self._study.view.compared(), self.settings, self._systems)

    def report(self, texts: bool = True) -> StudyReport:
        """All that `report.html` shows, as values; `texts`: with the texts of the questions that moved most."""
        from sweep.answer.report import study_report

        study = self._study
        refuse_damaged(study.view.compared(), self._command, every_byte=False)
        return study_report(
            study.folder,
            study.settings,
            study.view,
            state=study.state,
            command=self._command,
            systems=self._systems,
            texts=texts,
        )

    def close(self) -> None:
        """End the connections to its database; nothing more can be asked of it."""
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<study '{self.name}': {self._progress}>"

    @property
    def _progress(self) -> str:
        view = self._study.view
        return f"{self.state}, {view.here()} of {view.target} trials finished"

    def _repr_html_(self) -> str:
        """A short table, for notebooks."""
        points, objective = self.points, self.settings.study.objectives[0].metric
        heading = f"study '{self.name}': {self._progress}; {self.settings.study.reported(objective)}"
        table = points.to_html(max_rows=MOST_ROWS, index=False, border=0) if len(points) else ""
        return f"<p>{escape(heading)}</p>\n{table}"

    @cached_property
    def _systems(self) -> "Systems":
        from sweep.answer.systems import Systems

        return Systems()

    @property
    def _command(self) -> str:
        return read_command(self._study.folder) or f"python -m sweep … study.name={self.name}"

    @property
    def _benchmark(self) -> str:
        return self.settings.evaluation.name
