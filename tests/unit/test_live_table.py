"""What a running study shows: a live table, plain lines, JSON lines, and the time that is left."""

import json
import re
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from sweep.errors import InputError
from sweep.records.trial_record import TrialRecord
from sweep.report.plain_console import PlainConsole
from sweep.report.short_names import short_name
from sweep.run.displays import Shown
from sweep.run.json_lines import JsonLines
from sweep.run.live_table import LiveTable, live_table, middle_cut, sparkline
from sweep.run.pace import Pace
from sweep.run.plain_lines import PlainLines
from sweep.run.progress import Best, Progress, WorkerRow

BEST = Best("cldr/mono/map", 0.7512345, 4, {"ratio.monolingual": 0.5, "train.steps": 300}, 2, 4)
LOSSES = tuple(4.0 / (1 + step) for step in range(60))
ROW = WorkerRow("ratio.monolingual=0.25,seed=0", "α=0.25 · s0", "training", 120, 300, 1.23456, LOSSES, 12.345)
PROGRESS = Progress(7, 15, 1, 2, [ROW, WorkerRow()], BEST, 200.0)


def drawn(progress: Progress, width: int, height: int = 40, name: str = "grid") -> list[str]:
    console = PlainConsole(file=StringIO(), width=width, height=height, record=True)
    console.print(live_table(name, progress, 725.0, width, height))
    return console.export_text().splitlines()


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def ended(state: str, **more: Any) -> TrialRecord:
    return TrialRecord("a=1,seed=0", 3, 0, state, {"a": 1}, 1, **more)  # type: ignore[arg-type]


def test_the_table_has_all_that_one_asks_for() -> None:
    lines = [line.rstrip() for line in drawn(PROGRESS, 80)]
    text = "\n".join(lines)
    assert lines[0].startswith("grid ━━━")
    assert lines[0].endswith("12 min 05 s, left: about 3 min 20 s")
    assert lines[1].strip() == "7 of 15 trials done, 2 pruned, 1 failed"
    assert "best so far: 0.7512 at α=0.5, steps=300 (mean of 2 seeds), chosen among 4" in text
    row = next(line for line in lines if line.startswith("α=0.25 · s0"))
    assert row.split()[3:] == ["training", "120/300", "12.3", "1.2346", sparkline(LOSSES)]
    assert any(line.split() == ["starting"] for line in lines)


@pytest.mark.parametrize("workers", [0, 1, 9, 60])
def test_the_table_is_no_wider_than_its_terminal_and_at_most_15_lines(workers: int) -> None:
    long = replace(ROW, name=f"{'learning_rate=0.00001, query_prefix=質問: ' * 9}· s1", phase="evaluating xquad_r")
    for row in (ROW, long, WorkerRow()):
        for width in range(30, 201, 7):
            progress = replace(PROGRESS, workers=[row] * workers)
            for height in (10, 24, 60):
                lines = drawn(progress, width, height, name="a long name of a study " * 3)
                assert max(map(cell_len, lines)) <= width
                assert len(lines) <= min(15, height)
    assert any("more workers" in line for line in drawn(replace(PROGRESS, workers=[ROW] * 60), 80))


def test_a_narrow_table_drops_the_curve_first_and_keeps_the_trial() -> None:
    assert all(
        SPARKS in "\n".join(drawn(PROGRESS, width)) for SPARKS, width in ((sparkline(LOSSES), 80), ("12.3", 60))
    )
    narrow = "\n".join(drawn(PROGRESS, 48))
    assert sparkline(LOSSES) not in narrow
    assert "α=0.25 · s0" in narrow
    assert "120/300" in narrow


def test_the_curve_of_losses() -> None:
    assert sparkline([3.0, 2.0, 1.0]) == "█▅▁" or sparkline([3.0, 2.0, 1.0]) == "█▄▁"
    assert sparkline([]) == sparkline([float("nan")]) == ""
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([1.0, float("nan"), 2.0, float("inf")]) == "▁ █ "
    assert len(sparkline(LOSSES)) == 12
    assert sparkline(LOSSES)[0] == "█"


def test_names_are_cut_in_the_middle_and_never_ambiguous() -> None:
    assert middle_cut("learning_rate=0.001, s1", 12) == "learni…1, s1"
    assert middle_cut("質問質問質問", 7) == "質…問" or cell_len(middle_cut("質問質問質問", 7)) <= 7
    assert short_name({"ratio.monolingual": 0.25}, 3) == "α=0.25 · s3"
    assert short_name({}, 0) == "s0"
    assert short_name({"data.records": 3, "evaluation.records": 4, "train.steps": 5}, 0) == (
        "data.records=3, evaluation.records=4, steps=5 · s0"
    )


def test_a_terminal_is_redrawn_and_left_clean() -> None:
    console = PlainConsole(file=StringIO(), width=80, height=24, force_terminal=True, _environ={"TERM": "xterm"})
    with Shown(console).display("grid") as display:
        assert isinstance(display, LiveTable)
        display.update(PROGRESS)
        display.update(replace(PROGRESS, ended=[ended("FAILED", reason="[red]nan")]))
    text = "\n".join(printed(console))
    assert "FAILED a=1,seed=0: [red]nan" in text
    assert "\x1b[2K" in text  # the lines are erased
    assert text.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in text


def on_screen(text: str, width: int) -> list[str]:
    """The lines of a terminal of this width, which folds what is longer, after all that was written to it."""
    rows: list[str] = [""]
    row = 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
        if part == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif part.endswith("A"):
            row -= int(part[2:-1])
            assert row >= 0
        elif part == "\x1b[2K":
            rows[row] = ""
        elif part != "\r" and not part.startswith("\x1b"):
            rows[row] += part
            while cell_len(rows[row]) > width:  # every line of it is long enough for a fold at the width exactly
                rows.insert(row + 1, rows[row][width:])
                rows[row] = rows[row][:width]
                row += 1
    return [line.rstrip() for line in rows if line.strip()]


def test_a_terminal_that_gets_narrower_keeps_no_line_of_the_wider_table() -> None:
    console = PlainConsole(file=StringIO(), width=120, height=24, force_terminal=True, _environ={"TERM": "xterm"})
    console.print("above")
    with LiveTable(console, "grid") as display:
        display.update(PROGRESS)
        console.width = 50  # on the terminal the table's lines are folded at once, the cursor stays at its end
        display.update(PROGRESS)
        assert isinstance(console.file, StringIO)
        screen = on_screen(console.file.getvalue(), 50)
    table = [line.rstrip() for line in drawn(PROGRESS, 50)]
    assert screen[0] == "above"
    assert len(screen) == 1 + len([line for line in table if line])
    assert on_screen(console.file.getvalue(), 50) == ["above"]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def finished(number: int, **more: Any) -> TrialRecord:
    more = {"state": "COMPLETE", "value": 0.5, "duration_s": 5.0, **more}
    return TrialRecord(f"a={number},seed=0", number, 0, parameters={"a": number}, **more)


def test_a_file_has_a_line_for_every_trial_that_ends() -> None:
    console, clock = PlainConsole(file=StringIO(), width=80), Clock()
    display = PlainLines(console, clock)
    row = replace(ROW, key="a", losses=(), loss=1.5, step=3, steps=10)
    display.update(Progress(0, 4, 0, 0, [row, WorkerRow()], started=[row]))
    clock.now = 1.0
    display.update(Progress(0, 4, 0, 0, [replace(row, step=4)], started=[replace(row, key="b")]))
    display.update(Progress(1, 4, 0, 0, [row], BEST, 50.0, ended=[finished(1)]))
    clock.now = 2.0
    display.update(Progress(1, 4, 1, 0, [row], BEST, 50.0, ended=[ended("FAILED", reason="nan")]))
    display.update(Progress(2, 4, 1, 0, [row], BEST, 40.0, ended=[finished(2)]))
    clock.now = 32.5  # nothing happens for half a minute
    display.update(Progress(2, 4, 1, 0, [row], BEST, 9.0))
    clock.now = 33.0
    last = [finished(3, state="PRUNED", value=None), finished(4, duration_s=None)]
    display.update(Progress(4, 4, 1, 1, [], replace(BEST, value=0.8), 0.0, ended=last))
    assert printed(console) == [
        "0 of 4 trials done",
        "1 of 4: a=1,seed=0: 0.5000 in 5 s | "
        "best so far: 0.7512 at α=0.5, steps=300 (mean of 2 seeds), chosen among 4 | time left about 50 s",
        "FAILED a=1,seed=0: nan",
        "2 of 4: a=2,seed=0: 0.5000 in 5 s | time left about 40 s",
        "2 of 4 trials done, 1 failed | a: training, step 3 of 10, loss 1.5000 | time left about 9 s",
        "3 of 4: a=3,seed=0: pruned in 5 s",
        "4 of 4: a=4,seed=0: 0.5000 | best so far: 0.8000 at α=0.5, steps=300 (mean of 2 seeds), chosen among 4",
    ]


def test_a_file_gets_fewer_lines_the_longer_it_takes() -> None:
    console, clock = PlainConsole(file=StringIO(), width=80), Clock()
    display, counts = PlainLines(console, clock), []
    for second in range(36_000):  # ten hours, a trial every ten seconds
        clock.now = float(second)
        news = [finished(second)] if second % 10 == 9 else []
        display.update(Progress((second + 1) // 10, 3600, 0, 0, [ROW] * 50, ended=news))
        if second in (59, 3599, 35_999):
            counts.append(len(printed(console)))
    first_minute, first_hour, all_of_it = counts
    assert first_minute == 7
    assert 200 < first_hour < 230
    assert all_of_it - first_hour < 60
    assert printed(console)[-1].startswith("3")
    assert max(map(len, printed(console))) < 500  # of 50 workers a few
    silent, clock.now = len(printed(console)), clock.now + 1.0
    for _ in range(36_000):  # and nothing happens
        clock.now += 1.0
        display.update(Progress(3600, 3600, 0, 0, [ROW]))
    assert 1 < len(printed(console)) - silent < 15


def test_programs_read_an_object_a_line() -> None:
    console, clock = PlainConsole(file=StringIO(), width=40), Clock()
    clock.now = 1000.0
    display = JsonLines(console, clock)
    pruned, failed = ended("PRUNED", values=(float("nan"),)), ended("FAILED", reason='say "no"\n')
    done = ended("COMPLETE", values=(0.5, 3.0), duration_s=2.0)
    display.update(replace(PROGRESS, started=[ROW], ended=[done, pruned, failed]))
    clock.now += 3
    display.update(PROGRESS)
    clock.now += 9
    display.update(replace(PROGRESS, best=None, left_s=None))
    display.say("study_finished", {"figures": {"a": float("inf")}})
    events = [json.loads(line, parse_constant=lambda word: pytest.fail(word)) for line in printed(console)]
    assert [event["event"] for event in events if event["event"] != "trial_started"] == [
        "trial_finished", "trial_pruned", "trial_failed", "progress", "progress", "study_finished",
    ]  # fmt: skip
    assert [event["trial"] for event in events if event["event"] == "trial_started"] == [*[done.key] * 3, ROW.key]
    events = [event for event in events if event["event"] != "trial_started"]
    assert events[0]["parameters"] == {"a": 1}
    assert events[0]["objectives"] == [0.5, 3.0]
    assert events[1]["objectives"] == [None]
    assert events[2]["reason"] == 'say "no"\n'
    assert events[3]["best"] == {
        "metric": "cldr/mono/map", "value": 0.7512345, "parameters": dict(BEST.parameters), "seeds": 2,
        "chosen_among": 4,
    }  # fmt: skip
    assert [row["trial"] for row in events[3]["running"]] == [ROW.key]
    assert events[4]["time"] == 1012.0


def test_programs_read_that_a_trial_began_and_then_that_it_ended() -> None:
    """Once each, whether the display saw it while it ran or not, and even if its worker still names it."""
    console = PlainConsole(file=StringIO())
    display, done = JsonLines(console), ended("COMPLETE", values=(0.5,), duration_s=2.0)
    row = replace(ROW, key=done.key)
    display.update(replace(PROGRESS, started=[row]))
    display.update(replace(PROGRESS, ended=[done]))
    display.update(replace(PROGRESS, ended=[replace(done, key="b")], started=[replace(row, key="b")]))
    events = [json.loads(line) for line in printed(console)]
    assert [(event["event"], event["trial"]) for event in events if event["event"] != "progress"] == [
        (event, key) for key in (done.key, "b") for event in ("trial_started", "trial_finished")
    ]


def test_a_live_table_needs_a_terminal() -> None:
    console = PlainConsole(file=StringIO())
    with pytest.raises(InputError, match="--progress=plain"):
        Shown(console, "live").display("s")
    assert isinstance(Shown(console).display("s"), PlainLines)
    quiet = Shown(console, "quiet")
    quiet.begin()
    with quiet.display("s") as display:
        display.update(PROGRESS)
    console.print("nothing")
    quiet.end()
    console.print("the answer")
    assert printed(console) == ["the answer"]


def status(key: str, step: int, when: float, steps: int = 100) -> dict[str, Any]:
    return {"key": key, "phase": "training", "step": step, "steps": steps, "loss": 1.0, "time": when}


def test_time_left_comes_from_trials_that_have_finished() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.left_s([], 10, 2) is None
    pace.note([status("a", 0, 0.0), status("b", 50, 0.0)])  # the second one goes on from a checkpoint
    assert pace.left_s([], 10, 2) is None
    clock.now = 20.0
    pace.note([status("a", 10, 20.0), status("b", 60, 20.0)])
    assert pace.of("a").steps_per_s == pytest.approx(0.5)
    # Ten per cent took 20 s: 200 s a trial. The running ones need 180 and 80 s yet, and 8 wait for two workers.
    assert pace.left_s([], 10, 2) == pytest.approx(180 + 4 * 200)
    # Trials that have finished took 100 s, with their evaluation: the bars are not asked any more.
    assert pace.left_s([90.0, 110.0], 10, 2) == pytest.approx(80 + 4 * 100)
    assert pace.left_s([100.0], 2, 2) == pytest.approx(80)
    clock.now = 500.0  # a trial that takes longer than others is soon over
    assert pace.left_s([100.0], 2, 2) == pytest.approx(5)
    assert pace.left_s([100.0], 0, 0) == 0
    assert pace.note([status("b", 70, 500.0), {}, status("c", 0, 500.0)]) == ["c"]
    with pytest.raises(KeyError):
        pace.of("a")


def test_steps_a_second_are_those_of_the_last_seconds() -> None:
    pace = Pace()
    for second in range(100):  # ten steps a second, and then one
        step = 10 * second if second < 50 else 500 + second - 50
        pace.note([status("a", step, float(second), 1000)])
    assert pace.of("a").steps_per_s == pytest.approx(1.0)
    assert not re.search("nan", str(pace.of("a").losses))
