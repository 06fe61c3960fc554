"""The end of a run: the answer, where all of it is, and what to type next."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.answer.contents import Headline
from sweep.answer.headline import headline_of
from sweep.answer.points import best_first
from sweep.answer.study_answer import StudyAnswer, answer_of
from sweep.answer.systems import Systems
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.report.narrow import print_line
from sweep.report.terminal import print_answer
from sweep.report.text import duration_text, this_python
from sweep.run.displays import Shown
from sweep.settings import Settings
from sweep.tracking.registry import place_of

MOST_POINTS = 200  # in the event for programs; trials.csv has all


@dataclass(frozen=True)
class End:
    """How a run ended: the command, finished trials and target, all trials and those that are compared, seconds,
    whether the target is reached, and the ranks that its report has read already."""

    command: str
    counts: tuple[int, int]
    records: Sequence[TrialRecord]
    compared: Sequence[TrialRecord]
    elapsed_s: float
    complete: bool
    systems: Systems


def print_end(settings: Settings, folder: StudyFolder, shown: Shown, end: End) -> None:
    """Print the answer, where its files are, and the next commands. Raises InputError or SweepError if what the
    answer is made from is damaged."""
    answer = answer_of(folder, end.compared, settings, end.systems)
    headline = headline_of(answer, *end.counts, len(settings.study.seeds))
    if shown.prints_answer:
        print_answer(shown.console, answer, headline)
    for line in _remarks(settings, folder, end):
        print_line(shown.console, line)
    for line in _next_lines(settings, folder, end):  # paths and commands, to copy
        shown.console.print(line, markup=False, highlight=False, soft_wrap=True)
    shown.event("study_finished", _event(folder, answer, headline, end))


def _remarks(settings: Settings, folder: StudyFolder, end: End) -> Iterator[str]:
    """What the tables do not have, and what was asked for and is not there."""
    if left_out := len(end.records) - len(end.compared):
        yield f"Left out: {left_out} trials of points that the grid does not have; {folder.trials_csv} has them."
    without = [one for one in end.compared if one.state == "COMPLETE" and not folder.trial(one.key).model.exists()]
    if settings.study.export == "all" and without:
        yield (
            f"study.export=all: {len(without)} finished trials were run without keeping their models; it counts for "
            "those that run from now on. For all models, run the study under another study.name."
        )


def _next_lines(settings: Settings, folder: StudyFolder, end: End) -> Iterator[str]:
    ended = "Done" if end.complete else "Not complete"
    yield f"\n{ended}, {duration_text(end.elapsed_s)}. All metrics: {folder.trials_csv}"
    if folder.report.exists():
        yield f"Report:  {_from_here(str(folder.report))}"
    yield f"Browse:  {place_of(settings.tracking, folder).browse(this_python())}"
    yield f"Resume:  {end.command}   (adds what is missing; finished trials stay)"
    if not end.complete and not settings.study.retry_failed:
        yield f"Retry failed trials:  {end.command} study.retry_failed=true"


def _from_here(path: str) -> str:
    """A path as one would type it here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _event(folder: StudyFolder, answer: StudyAnswer, headline: Headline, end: End) -> dict[str, Any]:
    """The figures of the answer."""
    points = best_first(answer.points, answer.objectives[0])[:MOST_POINTS]
    return {
        "complete": end.complete,
        "done": end.counts[0],
        "target": end.counts[1],
        "failed": len(answer.failed),
        "elapsed_s": end.elapsed_s,
        "verdict": headline.kind,
        "sentences": list(headline.sentences),
        "notes": list(headline.notes),
        "objectives": [{"metric": one.metric, "direction": one.direction} for one in answer.objectives],
        "chosen_by": answer.chosen_by,
        "best": None if answer.best is None else dict(answer.best.parameters),
        "front": None if answer.front is None else [dict(point.parameters) for point in answer.front.points],
        "may_be_best": [
            {"others": table.others, "ratios": list(table.best)} for table in answer.certainty.tables if table.best
        ],
        "points": [
            {
                "parameters": dict(point.parameters),
                "seeds": len(point.records),
                "competes": point.may_win,
                "figures": {
                    key: {"mean": spread.mean, "deviation": spread.deviation} for key, spread in point.figures.items()
                },
            }
            for point in points
        ],
        "trials_csv": str(folder.trials_csv),
        "report": str(folder.report) if folder.report.exists() else None,
    }
