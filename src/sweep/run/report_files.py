"""The files in a study's folder that say what it comes to: a page, some lines of Markdown, and pictures of charts."""

from pathlib import Path

from sweep.answer.contents import StudyReport, StudyState
from sweep.answer.systems import Systems
from sweep.records.files import replacing_folder, write_atomically
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.cache import cache_folder
from sweep.study.view import StudyView

PATIENCE_S = 5.0  # with the study's database: the study itself waits for longer


class ReportFiles:
    """Writes `report.html`, `answer.md` and `charts/*.png` of a study, over and over: ranks that were read once
    stay in memory (`systems`) while their files are the same. `command` runs the study. Texts and pictures,
    which take the longest, come when it has ended."""

    def __init__(self, folder: StudyFolder, settings: Settings, command: str) -> None:
        self._folder = folder
        self._settings = settings
        self._command = command
        self.systems = Systems()

    def write(self, state: StudyState) -> None:
        """Write all of them. Raises SweepError if the study's files or its database cannot be read."""
        from sweep.answer.report import study_report  # scipy, and with it seconds

        settings = self._settings
        study = settings.study.model_copy(update={"patience_s": min(PATIENCE_S, settings.study.patience_s)})
        view = StudyView.open(self._folder, study)
        try:
            report = study_report(
                self._folder,
                settings,
                view,
                state=state,
                command=self._command,
                systems=self.systems,
                texts=settings.report.texts and state != "running",  # the benchmark is read for them
            )
        finally:
            view.close()
        write_files(self._folder, report, cache_folder(settings.paths))


def write_files(folder: StudyFolder, report: StudyReport, cache: Path) -> None:
    """Write the files of a report, each of them atomically. Pictures take most of the time: they are drawn when the
    study has ended. `cache`: the folder of what is kept between studies, such as the script that draws charts."""
    from sweep.page.charts import charts_of
    from sweep.page.html import report_page
    from sweep.page.pictures import main_pictures, png
    from sweep.report.markdown import answer_markdown

    write_atomically(folder.report, report_page(report, cache))
    write_atomically(folder.answer, answer_markdown(report))
    if report.state != "running":
        with replacing_folder(folder.charts) as draft:
            for name, chart in main_pictures(charts_of(report)).items():
                (draft / name).write_bytes(png(chart))
