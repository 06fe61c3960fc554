"""Tables of what is known about a study besides its figures: ended trials, cost, data, versions."""

from sweep.answer.contents import StudyReport
from sweep.answer.study_answer import StudyAnswer
from sweep.page.chart import DataTable
from sweep.records.data_record import ROLES, SHOWN_DIGITS
from sweep.report.text import duration_text

_PHASES = {"prepare": "of it preparing", "train": "of it training", "evaluate": "of it evaluating"}
MOST_ENDED = 200  # rows; trials.csv has all


def ended_table(report: StudyReport) -> tuple[DataTable, ...]:
    """FAILED and PRUNED trials with their reasons."""
    if not report.ended:
        return ()
    shown = report.ended[:MOST_ENDED]
    failed = sum(one.state == "FAILED" for one in report.ended)
    caption = f"{failed} failed, {len(report.ended) - failed} pruned"
    if len(shown) < len(report.ended):
        caption += f"; the first {len(shown)} of them, trials.csv has all"
    rows = tuple((one.key, one.state, str(one.attempts), one.reason) for one in shown)
    marks = {(place, 1): "worse" for place, one in enumerate(shown) if one.state == "FAILED"}
    return (DataTable(caption, ("trial", "state", "attempts", "reason"), rows, marks),)


def cost_table(report: StudyReport) -> tuple[DataTable, ...]:
    """Time by phase, rows and tokens."""
    cost = report.cost
    if not cost.trials:
        return ()
    rows = [
        ("trials", f"{cost.trials:,}"),
        ("time of all trials together", duration_text(cost.seconds)),
        *((_PHASES.get(phase, phase), duration_text(seconds)) for phase, seconds in cost.by_phase.items()),
        ("time of a trial, median", duration_text(cost.median_trial_s)),
        ("rows trained on", f"{cost.rows:,}"),
        ("tokens trained on", "not recorded" if cost.tokens is None else f"{cost.tokens:,}"),
    ]
    return (DataTable("Time and data", ("", "finished trials"), tuple(rows), {}),)


def data_table(answer: StudyAnswer) -> tuple[DataTable, ...]:
    """What the study was trained and evaluated on, with digests."""
    if not answer.data:
        return ()
    header = ("data", "role", "source", "languages", "questions", "passages", f"SHA-256 (first {SHOWN_DIGITS})")
    rows = tuple(
        (
            one.name,
            ROLES[one.role],
            one.source,
            ", ".join(one.languages),
            f"{one.questions:,}",
            f"{one.passages:,}",
            one.digest[:SHOWN_DIGITS],
        )
        for one in answer.data
    )
    return (DataTable("Data as they were read", header, rows, {}),)


def version_table(report: StudyReport) -> tuple[DataTable, ...]:
    """What the trials ran with."""
    rows = list(report.about.versions.items())
    if report.about.commit is not None:
        rows.append(("commit", report.about.commit))
    return (DataTable("What its trials ran with", ("package", "version"), tuple(rows), {}),) if rows else ()
