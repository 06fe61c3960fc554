"""Curve files: a step once, whatever attempts come and go."""

from pathlib import Path

import pytest

from sweep.trial.curves import Curve

HEADER = "step,loss,timestamp_ms\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "losses.csv"


def add(curve: Curve, *points: tuple[int, float, int]) -> Curve:
    for step, loss, timestamp_ms in points:
        curve.add(step, {"loss": loss}, timestamp_ms)
    return curve


def test_rows_that_are_reached_again_stay_as_they_are(file: Path) -> None:
    add(Curve(file), (1, 0.5, 10), (2, 0.1 + 0.2, 20), (3, 0.25, 30))
    before = file.read_bytes(), file.stat().st_mtime_ns
    curve = add(Curve(file), (2, 0.1 + 0.2, 90), (3, 0.25, 91))
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    add(curve, (4, 0.125, 92)).finish(4)
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.30000000000000004,20\n3,0.25,30\n4,0.125,92\n"


def test_other_values_replace_the_row_and_all_after_it(file: Path) -> None:
    add(Curve(file), (1, 0.5, 10), (2, 0.4, 20), (3, 0.3, 30), (4, 0.2, 40))
    curve = add(Curve(file), (2, 0.4, 90), (3, 0.31, 91))
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.4,20\n3,0.31,91\n"
    add(curve, (4, 0.21, 92))
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.4,20\n3,0.31,91\n4,0.21,92\n"


def test_rows_beyond_the_last_step_are_dropped_at_the_end(file: Path) -> None:
    add(Curve(file), (10, 0.5, 10), (20, 0.4, 20), (30, 0.3, 30))
    add(Curve(file), (20, 0.4, 90)).finish(20)
    assert file.read_text() == HEADER + "10,0.5,10\n20,0.4,20\n"


def test_a_torn_line_is_removed_when_the_file_is_opened(file: Path) -> None:
    file.write_text(HEADER + "1,0.5,10\n2,0.4,2")
    curve = Curve(file)
    assert file.read_text() == HEADER + "1,0.5,10\n"
    add(curve, (2, 0.4, 25))
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.4,25\n"


def test_a_file_of_an_earlier_version_that_holds_steps_twice_is_set_right(file: Path) -> None:
    file.write_text(HEADER + "1,0.5,10\n2,0.4,20\n3,0.3,30\n2,0.41,40\n")
    Curve(file)
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.41,40\n"


def test_what_an_attempt_that_woke_up_too_late_wrote_does_not_stay(file: Path) -> None:
    late = add(Curve(file), (1, 0.5, 10))
    curve = add(Curve(file), (1, 0.5, 11), (2, 0.4, 20), (3, 0.3, 30))
    add(late, (2, 0.45, 99))
    curve.finish(3)
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.4,20\n3,0.3,30\n"


def test_columns_may_be_added_and_values_need_not_be_numbers(file: Path) -> None:
    curve = Curve(file)
    curve.add(1, {"loss": float("nan")}, 10)
    curve.add(1, {"loss": float("nan")}, 11)
    curve.add(2, {"loss": 0.5, "more": 1.0}, 20)
    assert file.read_text() == "step,loss,more,timestamp_ms\n1,nan,,10\n2,0.5,1.0,20\n"


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"\0", b'"', b"x,y,z", b",,,,", b"nan nan"], ids=repr)
def test_a_row_that_is_damaged_is_dropped(file: Path, damage: bytes) -> None:
    add(Curve(file), (1, 0.5, 10))
    whole = file.read_bytes()
    file.write_bytes(whole + damage + b"\n")
    add(Curve(file), (2, 0.25, 20))
    assert file.read_text() == HEADER + "1,0.5,10\n2,0.25,20\n"
    file.write_bytes(damage + b"\n" + whole)  # a header that is none
    add(Curve(file), (2, 0.25, 20))
    assert file.read_text() == HEADER + "2,0.25,20\n"
