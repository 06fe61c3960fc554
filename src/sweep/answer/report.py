"""The report of a study, put together from what its folder has at this moment."""

import json
import time

from sweep.answer.about import about_study
from sweep.answer.contents import StudyReport, StudyState
from sweep.answer.cost import cost_of
from sweep.answer.curves import ratio_curves
from sweep.answer.ended import ended_trials
from sweep.answer.exposure import exposure_rows
from sweep.answer.headline import headline_of
from sweep.answer.importance import importances
from sweep.answer.languages import language_tables
from sweep.answer.learning import learning_curves
from sweep.answer.matrices import pair_matrices
from sweep.answer.moved import moved_questions
from sweep.answer.study_answer import answer_of
from sweep.answer.systems import Systems
from sweep.errors import SweepError
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.study.view import StudyView


def study_report(
    folder: StudyFolder,
    settings: Settings,
    view: StudyView,
    *,
    state: StudyState,
    command: str,
    systems: Systems | None = None,
    texts: bool = True,
) -> StudyReport:
    """What a study says now. Nothing is written to its folder, and a run of it is not disturbed.

    Args:
        folder, settings, view: of the study, as `sweep.answer.opened.opened` gives them.
        state: what the study is doing (`sweep.answer.opened.Study.state`).
        command: what runs the study again, as one would type it.
        systems: the files of ranks that were read for an earlier report of this study; they are not read again.
        texts: whether the questions that moved most are shown with their texts, which the benchmark is read for.

    Raises:
        InputError: a configuration or a file of ranks is damaged.
        SweepError: another file of the study is.
        DatabaseUnusable: its database cannot be read.
    """
    study, read = settings.study, systems if systems is not None else Systems()
    records = view.compared()
    answer = answer_of(folder, records, settings, read)
    objective, points = study.objectives[0], answer.points
    finished, target = view.here(), view.target  # each asks the database for all trials
    return StudyReport(
        name=folder.path.name,
        state=state,
        finished=finished,
        target=target,
        written_ms=int(time.time() * 1000),
        answer=answer,
        headline=headline_of(answer, finished, target, len(study.seeds)),
        about=about_study(folder, records, command),
        cost=cost_of(records),
        curves=ratio_curves(folder, answer, settings, read),
        pairs=pair_matrices(folder, answer, settings, read),
        languages=language_tables(folder, answer, settings, read),
        moved=moved_questions(folder, answer, settings, read, texts=texts),
        importance=importances(records, study),
        learning=learning_curves(records, points, objective),
        exposure=exposure_rows(points, objective),
        ended=ended_trials(records),
        notes=_notes(folder),
    )


def _notes(folder: StudyFolder) -> tuple[str, ...]:
    """What a reader should know of the study's data; an earlier version did not keep it."""
    try:
        lines = json.loads(folder.notes.read_text(encoding="utf-8"))["lines"]
        if not (isinstance(lines, list) and all(isinstance(line, str) for line in lines)):
            raise ValueError("no lines")
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        raise SweepError(f"{folder.notes} is damaged: delete it, and the next run of the study writes it") from error
    return tuple(lines)
