"""Tables and sentences fit their terminal, whatever its width, and say what there is no room for."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.sample_report import sample_report

from sweep.answer.points import Front, PointRow
from sweep.commands.command_line import console as command_console
from sweep.records.trial_record import TrialRecord
from sweep.report.pareto import print_front
from sweep.report.plain_console import PlainConsole
from sweep.report.studies import StudyRow, print_status, print_studies
from sweep.report.terminal import print_answer
from sweep.settings import Objective

WIDTHS = (*range(60, 130, 3), 80, 100, 120, 140, 160, 200)
OBJECTIVE = Objective(metric="cldr/pooled/alignment_consistency/low", direction="maximize")


def terminal(width: int) -> PlainConsole:
    return PlainConsole(file=StringIO(), width=width, force_terminal=True, no_color=True, _environ={"TERM": "xterm"})


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()


def record(ratio: float, number: int, **more: Any) -> TrialRecord:
    more = {"state": "COMPLETE", **more}
    return TrialRecord(
        f"ratio.monolingual={ratio},seed=0", number, 0, parameters={"ratio.monolingual": ratio}, **more
    )


def studies() -> list[StudyRow]:
    done = {"state": "COMPLETE", "attempts": 1, "value": 0.5, "values": (0.5,), "duration_s": 5000.0}
    records = [record(0.25, 0, **done), record(0.5, 1, **done)]
    failed = record(1, 2, state="FAILED", attempts=3, reason="the loss became nan at step 120")
    one = StudyRow("ratio_grid_xlmr_large_on_mlqa", "failed trials", 112, 125, [*records, failed], OBJECTIVE, 0.0)
    return [one, StudyRow("b", "running", 2, 3, records, OBJECTIVE, 0.0)]


def front(console: Console) -> None:
    points = [
        PointRow(
            {"ratio.monolingual": ratio, "train.learning_rate": 0.0001}, (record(ratio, 0, values=(ratio, 12.5)),)
        )
        for ratio in (0.25, 0.5)
    ]
    metrics = ("xquad_r/pooled/alignment_consistency/low", "xquad_r/pooled/rank_distance/unseen")
    print_front(
        console, Front(tuple(points), 9, 1, 2), [OBJECTIVE.model_copy(update={"metric": one}) for one in metrics]
    )


PRINTED: dict[str, Callable[[Console], None]] = {
    "answer": lambda console: print_answer(console, sample_report().answer),
    "list": lambda console: print_studies(console, studies()),
    "status": lambda console: print_status(console, studies()[0], {}),
    "front": front,
}


@pytest.mark.parametrize("what", PRINTED)
def test_no_line_is_longer_than_its_terminal(what: str) -> None:
    for width in WIDTHS:
        console = terminal(width)
        PRINTED[what](console)
        printed = lines(console)
        assert len(printed) > 3
        assert [line for line in printed if cell_len(line.rstrip()) > width] == [], width
        assert "…" not in "".join(printed)


def test_what_is_left_out_is_named_and_a_wide_terminal_shows_all() -> None:
    for width, left_out in ((80, ["rank dist."]), (160, [])):
        console = terminal(width)
        PRINTED["answer"](console)
        text = " ".join(" ".join(lines(console)).split())
        assert [name for name in ("rank dist.",) if f"Not shown in {width} columns: {name}" in text] == left_out
        assert ("trials.csv and report.html have all figures" in text) == bool(left_out)
    wide = terminal(140)
    for print_it in PRINTED.values():
        print_it(wide)
    assert "Not shown in" not in "".join(lines(wide))


def test_the_objective_and_the_verdict_outlast_other_columns() -> None:
    console = terminal(60)
    PRINTED["answer"](console)
    text = "\n".join(lines(console))
    for needed in ("align. all", "0.715", "+0.051", "0.0830", "p (Holm)"):
        assert needed in text
    figures = re.findall(r"±\d\.\d+", text)
    assert figures
    assert {len(figure) for figure in figures} == {len("±0.023")}  # no number is broken


def test_headings_are_broken_at_dots_alone() -> None:
    for width in WIDTHS:
        console = terminal(width)
        PRINTED["answer"](console)
        PRINTED["front"](console)
        headings = [line for line in lines(console) if not re.search(r"[=:{]", line)]
        words = [word for line in headings for word in line.split() if "onolin" in word or word.startswith("ratio")]
        assert words
        assert set(words) <= {"ratio.monolingual", "ratio.", "monolingual", "ratios", "ratio"}, width


@pytest.mark.parametrize(
    ("columns", "width"), [("80", 80), ("200", 200), (None, 110), ("", 110), ("0", 110), ("many", 110), ("5", 110)]
)
def test_a_file_is_as_wide_as_columns_says(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    else:
        monkeypatch.setenv("COLUMNS", columns)
    printed = command_console()
    PRINTED["answer"](printed)
    assert printed.width == width
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" ")]
    assert max(cell_len(line) for line in table) <= width


def test_the_tables_do_not_repeat_the_headline() -> None:
    report = sample_report()
    texts = []
    for headline in (None, report.headline):
        console = terminal(160)
        print_answer(console, report.answer, headline)
        texts.append("\n".join(lines(console)))
    alone, below = texts
    for line in ("May be best at 95 %", "(its plain mean is too high, having been chosen)"):
        assert line in alone
        assert line not in below
    rivals = [line for line in alone.splitlines() if "hown to beat lir" in line]
    assert rivals
    assert all(line in below for line in rivals)  # which the headline says of one ratio alone
    assert below.index(report.headline.sentences[0][:40]) < below.index("mean ± standard deviation")
