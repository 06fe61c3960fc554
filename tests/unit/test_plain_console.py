"""What comes from data or settings is shown as it is: no markup, no emoji, and nothing that acts on a terminal."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sweep.answer.points import front_of, points_of
from sweep.answer.study_answer import study_answer
from sweep.commands.manage_studies import main
from sweep.launch.liveness import alive_in
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.report.pareto import print_front
from sweep.report.plain_console import PlainConsole, say, shown
from sweep.report.terminal import print_answer
from sweep.run.displays import Shown
from sweep.run.progress import Progress, WorkerRow
from sweep.settings import Objective
from sweep.settings.compose import Composer, assignment
from sweep.settings.load import load_settings
from sweep.study.store import StudyStore

# What was given, and what is shown.
VALUES = {
    "[/data/x]": "[/data/x]",
    "[/INST]": "[/INST]",
    "[query]:": "[query]:",
    "[bold red]loud[/]": "[bold red]loud[/]",
    ":smile: \\[x]": ":smile: \\[x]",
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil\x07": r"\x1b]8;;http://evil\x07",
    "a\u202ecod\u202c": r"a\u202ecod\u202c",
    "\udce9": r"\udce9",
}
ENCODABLE = [value for value in VALUES if value.isprintable() or "\x1b" in value]
LOW = "cldr/pooled/alignment_consistency/low"
MONO = "cldr/mono/map"
Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has searched such values; one trial of each has finished, and one FAILED."""
    folder = StudyFolder(tmp_path_factory.mktemp("sweeps") / "grid")
    space = {"model.query_prefix": {"grid": ENCODABLE}}
    composer = Composer("sweep", [assignment("study.space", space), "study.seeds=[0,1]", "study.name=grid"])
    settings = load_settings(composer)
    store = StudyStore(folder, settings.study, alive_in(folder.workers))
    store.enqueue()
    write_atomically(folder.config, composer.yaml())
    while (claim := store.claim("w")) is not None:
        result = TrialResult(claim.point.key, "f", {LOW: 0.5, MONO: 0.5}, 0.1, 1.0, {}, 0, {})
        if claim.point.seed == 0:
            folder.trial(claim.point.key).write_result(result)
            store.finish(claim, result)
        else:
            store.fail(claim, f"bad {claim.point.values['model.query_prefix']}")
    store.storage.close()
    return folder.path.parent


def check(text: str, wanted: list[str]) -> None:
    joined = "".join(text.split())  # columns are folded
    assert [value for value in wanted if "".join(value.split()) not in joined] == []
    assert "\x1b" not in text


@pytest.mark.parametrize("command", [["list"], ["status", "grid", "--all"]])
def test_lists_and_states(command: list[str], sweeps: Path, capsys: Printed) -> None:
    assert main([*command, "--sweeps", str(sweeps)]) == 0
    text = capsys.readouterr().out
    check(text, [f"bad {VALUES[value]}" for value in ENCODABLE] if "status" in command else [])


def test_results_and_fronts(sweeps: Path) -> None:
    from sweep.study.view import StudyView

    folder = StudyFolder(sweeps / "grid")
    study = load_settings(Composer("sweep", ["study.name=grid"])).study
    records = StudyView.open(folder, study).records()
    TrialsTable(folder.trials_csv).update(records)
    objectives = [Objective(metric=metric, direction="maximize") for metric in (LOW, MONO)]
    console = PlainConsole(file=StringIO(), width=200)
    print_answer(console, study_answer(folder, records, "cldr", objectives[:1]))
    assert isinstance(console.file, StringIO)
    check(console.file.getvalue(), [VALUES[value] for value in ENCODABLE])
    print_front(console, front_of(points_of(records), objectives[:1] * 2), objectives)
    check(console.file.getvalue(), [f"bad {VALUES[value]}" for value in ENCODABLE])


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress(is_terminal: bool) -> None:
    environment = {"TERM": "xterm"}
    console = PlainConsole(
        file=StringIO(), width=300, height=30, force_terminal=is_terminal, no_color=True, _environ=environment
    )
    rows = [WorkerRow(f"p={value}", f"p={value}", "training", 3, 10, 1.5) for value in ENCODABLE]
    with Shown(console).display("s") as display:
        for row in rows:
            ended = [TrialRecord(row.key, 0, 0, "COMPLETE", {}, value=0.5)]
            display.update(Progress(0, 4, 0, 0, [row], started=[row], ended=ended))
            console.print()
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert [value for value in ENCODABLE if VALUES[value] not in text] == []
    assert "\x1b[31m" not in text
    assert "\x1b]8" not in text


@pytest.mark.parametrize("print_it", [lambda console, text: console.print(text), lambda _, text: print(shown(text))])
def test_what_is_printed(print_it: Callable[[Console, str], None], capsys: Printed) -> None:
    for value, wanted in VALUES.items():
        print_it(PlainConsole(width=200), value)
        assert capsys.readouterr().out == f"{wanted}\n"


def test_a_terminal_folds_lines_between_words_and_leaves_commands_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    text = "error: " + "some words " * 9 + "[x]\n  python -m sweep with=many more=words than=there is=room"
    for is_terminal in (True, False):
        file = StringIO()
        file.isatty = lambda is_terminal=is_terminal: is_terminal  # type: ignore[method-assign, misc]
        say(text, file)
        lines = file.getvalue().splitlines()
        assert lines[-1] == text.splitlines()[-1]
        assert " ".join(line.rstrip() for line in lines[:-1]) == text.splitlines()[0]
        assert (max(map(len, lines[:-1])) <= 30) == is_terminal


def test_errors(capsys: Printed) -> None:
    from sweep.commands.run_study import main as run

    assert run(["study.name='[/x]\x1b[31m'"]) == 2
    assert r"study.name: '[/x]\x1b[31m'" in capsys.readouterr().err
