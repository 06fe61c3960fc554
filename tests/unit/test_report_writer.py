"""The report of a running study: when it is written, and that nothing which goes wrong with it ends the study."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from tests.waiting import SECONDS, until

from sweep.errors import InputError
from sweep.run import report_writer
from sweep.run.report_writer import ReportWriter

AGAIN = "python -m sweep.report study.name=grid"


class Report:
    """Counts writings; one takes `takes_s` seconds, or until `release`, or fails with `fault`."""

    def __init__(self, takes_s: float = 0.0, fault: Exception | None = None, blocks: bool = False) -> None:
        self.states: list[str] = []
        self.written = 0
        self.said: list[str] = []
        self.fault = fault
        self.takes_s = takes_s
        self.release = threading.Event()
        self.began = threading.Event()
        if not blocks:
            self.release.set()

    def write(self, state: str) -> None:
        self.states.append(state)
        self.began.set()
        time.sleep(self.takes_s)
        self.release.wait(60)
        self.written += 1
        if self.fault is not None:
            raise self.fault

    def writer(self, every_s: float | None) -> ReportWriter:
        return ReportWriter(self.write, every_s, self.said.append, AGAIN)


def test_it_writes_if_something_new_has_finished_and_at_the_end() -> None:
    report = Report()
    writer = report.writer(0.01)
    time.sleep(0.02)
    writer.update(3)  # finished before this run
    writer.update(3)
    time.sleep(0.05)
    assert report.states == []
    writer.update(4)
    until(lambda: report.states == ["running"])
    time.sleep(0.05)
    writer.update(4)
    writer.finish("complete")
    assert report.states == ["running", "complete"]
    assert report.said == []


@pytest.mark.parametrize("every_s", [None, 60.0])
def test_it_writes_no_more_often_than_asked(every_s: float | None) -> None:
    report = Report()
    writer = report.writer(every_s)
    for count in range(50):
        writer.update(count)
    assert report.states == []
    writer.finish("failed trials")
    assert report.states == ["failed trials"]


def test_a_slow_report_is_written_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one fiftieth of the time; here a tenth, to be quick."""
    monkeypatch.setattr(report_writer, "SHARE", 0.1)
    report = Report(takes_s=0.1)
    writer, began = report.writer(0.001), time.monotonic()
    count = 0
    while time.monotonic() - began < 2.5 or not report.states:
        count += 1
        writer.update(count)
        time.sleep(0.005)
    assert len(report.states) <= 1 + (time.monotonic() - began)  # a writing and its pause take a second


def test_nobody_waits_for_a_writing() -> None:
    report = Report(blocks=True)
    writer, count = report.writer(0.0001), 0
    while not report.began.is_set():
        count += 1
        writer.update(count)
    writer.update(count + 1)
    assert report.written == 0
    report.release.set()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ValueError("no such\n column"), "ValueError: no such column"),
        (InputError("ranks.parquet is damaged"), "ranks.parquet is damaged"),
        (ModuleNotFoundError(), "ModuleNotFoundError: ModuleNotFoundError"),
    ],
)
def test_a_fault_is_one_line_and_the_command_that_repeats_it(fault: Exception, reason: str) -> None:
    report = Report(fault=fault)
    writer = report.writer(0.0001)
    for count in range(200):
        writer.update(count)
        time.sleep(0.001)
    until(lambda: bool(report.said))
    assert report.said == [f"the report cannot be written ({reason}); the results are all there. Try:\n  {AGAIN}"]
    report.said.clear()
    writer.finish("complete")
    assert len(report.said) == 1  # and at the end again: it is the last one that counts


def test_an_interrupted_study_waits_for_it_only_so_long() -> None:
    report = Report(blocks=True)
    writer, began = report.writer(None), time.monotonic()
    writer.finish("stopped", 0.2)
    assert time.monotonic() - began < 50
    assert report.states == ["stopped"]
    assert report.said == [f"the report was left as it was. This writes it:\n  {AGAIN}"]
    report.release.set()


def test_whoever_wants_to_stop_at_once_does_not_wait_at_all() -> None:
    report = Report()
    report.writer(None).finish("stopped", 0.0)
    assert report.states == []
    assert AGAIN in report.said[0]


@pytest.fixture
def interrupts() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_ends_the_wait() -> None:
    report = Report(blocks=True)

    def interrupt_the_writing() -> None:
        assert report.began.wait(SECONDS)
        os.kill(os.getpid(), signal.SIGALRM)

    threading.Thread(target=interrupt_the_writing, daemon=True).start()
    report.writer(None).finish("complete")
    assert AGAIN in report.said[-1]
    report.release.set()


def test_a_long_wait_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_writer, "NOTICE_S", 0.05)
    report = Report(blocks=True)

    def say(line: str) -> None:
        report.said.append(line)
        report.release.set()

    ReportWriter(report.write, None, say, AGAIN).finish("complete")
    assert report.said == ["writing the report; Ctrl-C leaves it as it was"]


def test_the_end_waits_for_a_writing_that_is_on_its_way_and_writes_once_more() -> None:
    report = Report(blocks=True)
    writer = report.writer(0.0001)
    writer.update(0)
    time.sleep(0.01)
    writer.update(1)
    assert report.began.wait(SECONDS)
    threading.Timer(0.1, report.release.set).start()
    writer.finish("complete")
    assert report.states == ["running", "complete"]
