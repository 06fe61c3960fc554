"""`trials.csv`: one row a finished trial, whatever the number of trials.

    key, number, seed, state, <searched values>, <metrics>, duration_s, attempts, reason

Only the results of new trials are read, and their rows appended. Every row is one line, so what a kill cut short is
found at the end of the file and written again. The whole file is rewritten, line by line, when a column is added or a
row is no longer true (a FAILED trial that was retried); rows that are still true are copied. Beside it lies the
checksum of what was written, `.trials.csv.sha256`: a file that anybody else has changed is made anew of the results.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from sweep.records.cells import as_cell
from sweep.records.files import replacing_file, write_atomically
from sweep.records.trial_record import TrialRecord

FIRST = ("key", "number", "seed", "state")
LAST = ("duration_s", "attempts", "reason")
FINISHED = ("COMPLETE", "PRUNED", "FAILED")
PREFIX = 2000  # bytes of a line that hold the first four cells: a key has at most 150
ROWS_AT_ONCE = 64
BLOCK_BYTES = 1 << 18  # of the text that is parsed at once, at least; 50 times as much memory is taken
BLOCK_ROWS = 4  # into a block: every row must fit into one

Identity = tuple[str, str]  # number and state: a retried trial has another number


class TrialsTable:
    """The rows of one file. It must have no other writer meanwhile."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._columns: list[str] = []
        self._rows: dict[str, Identity] | None = None  # by key; None: the file was not read yet
        self._digest = hashlib.sha256()  # of the file as it was written
        self._state: tuple[int, ...] = ()  # by which a file is known that nobody has changed since

    def update(self, records: Sequence[TrialRecord]) -> int:
        """Make the file hold the finished ones of `records`, which are all trials of the study; how many they are."""
        finished = {record.key: record for record in records if record.state in FINISHED}
        sound = True
        if self._rows is None or self._state != _state_of(self.file):
            self._rows, self._columns = {}, []
            sound = self._read()
        paths = {path for record in finished.values() for path in record.parameters}
        columns = _columns(paths, self._columns[len(FIRST) : -len(LAST)])

        def is_true(key: str, identity: Identity) -> bool:
            return key in finished and _identity(finished[key]) == identity

        if not sound or columns != self._columns or not all(is_true(*row) for row in self._rows.items()):
            self._rewrite(columns, is_true)
        self._append([record for key, record in finished.items() if key not in self._rows], paths)
        return len(self._rows)

    def _read(self) -> bool:
        """Learn the file's columns and rows; whether it is whole but for a last line that was cut short."""
        assert self._rows is not None
        if not self._is_sealed():
            return False
        sound = True
        with self.file.open("rb") as lines:  # there may be hundreds of megabytes
            header = next(csv.reader([next(lines, b"").decode()]), [])
            if tuple(header[: len(FIRST)]) != FIRST or tuple(header[-len(LAST) :]) != LAST:
                return False
            self._columns = header
            for line in lines:
                cells = next(csv.reader([line[:PREFIX].decode(errors="replace")]), [])
                if len(cells) < len(FIRST) or cells[0] in self._rows or line.count(b",") < len(header) - 1:
                    sound = False
                else:
                    self._rows[cells[0]] = cells[1], cells[3]
        return sound

    def _rewrite(self, columns: list[str], is_true: Callable[[str, Identity], bool]) -> None:
        """Write the file again with these columns and those of its rows that are true."""
        kept: dict[str, Identity] = {}
        with replacing_file(self.file) as draft, draft.open("w", encoding="utf-8", newline="") as new:
            new.write(_line(columns))
            for row in self._whole_rows():
                key, identity = row["key"], (row["number"], row["state"])
                if key not in kept and is_true(key, identity):
                    new.write(_line(row.get(name, "") for name in columns))
                    kept[key] = identity
        self._columns, self._rows = columns, kept
        with self.file.open("rb") as content:
            self._digest = hashlib.file_digest(content, "sha256")
        self._seal()

    def _seal(self) -> None:
        """Keep the checksum of the file as it is."""
        self._state = _state_of(self.file)
        size = self.file.stat().st_size
        write_atomically(seal_of(self.file), json.dumps({"size": size, "sha256": self._digest.hexdigest()}))

    def _is_sealed(self) -> bool:
        """Whether the file is what was written; rows that a kill kept from being sealed are cut off."""
        try:
            seal = json.loads(seal_of(self.file).read_text(encoding="utf-8"))
            size, digest = int(seal["size"]), str(seal["sha256"])
            with self.file.open("rb+") as content:
                if content.seek(0, os.SEEK_END) > size:
                    content.truncate(size)
                content.seek(0)
                self._digest = hashlib.file_digest(content, "sha256")
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return False
        self._state = _state_of(self.file)
        return self._digest.hexdigest() == digest

    def _whole_rows(self) -> Iterator[dict[str, str]]:
        if self._columns:
            with self.file.open(encoding="utf-8", newline="") as lines:
                next(lines)
                for cells in csv.reader(lines):
                    if len(cells) == len(self._columns):
                        yield dict(zip(self._columns, cells, strict=True))

    def _append(self, records: Sequence[TrialRecord], paths: set[str]) -> None:
        assert self._rows is not None
        for start in range(0, len(records), ROWS_AT_ONCE):
            block = [(record, record.metrics) for record in records[start : start + ROWS_AT_ONCE]]
            # One whose result is missing has no row yet: the files may come back.
            block = [(record, metrics) for record, metrics in block if metrics or record.state != "COMPLETE"]
            names = {name for _, metrics in block for name in metrics}
            if not names <= set(self._columns):
                middle = {*self._columns[len(FIRST) : -len(LAST)], *names}
                self._rewrite(_columns(paths, middle), lambda *_: True)
            text = "".join(_line(_cells(record, metrics, self._columns)) for record, metrics in block).encode()
            with self.file.open("ab") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._digest.update(text)
            self._seal()
            self._rows |= {record.key: _identity(record) for record, _ in block}


def seal_of(file: Path) -> Path:
    """Where the checksum of a table is kept."""
    return file.with_name(f".{file.name}.sha256")


def _state_of(file: Path) -> tuple[int, ...]:
    """What tells a file from one that was changed; empty if there is none."""
    if not file.exists():
        return ()
    state = file.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def read_metrics(file: Path, names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Some metrics of all trials, by key; without those that the file or a trial does not have. Memory is that of the
    result, however large the file is."""
    with file.open(encoding="utf-8", newline="") as lines:
        first, second = next(lines, ""), next(lines, "")
    header = next(csv.reader([first]), [])
    wanted = [name for name in dict.fromkeys(names) if name in header]
    options = arrow_csv.ConvertOptions(
        include_columns=["key", *wanted],
        column_types={"key": pa.string(), **dict.fromkeys(wanted, pa.float64())},
        null_values=[""],
    )
    block_bytes = max(BLOCK_BYTES, BLOCK_ROWS * len(max(first, second, key=len).encode()))
    read = arrow_csv.ReadOptions(block_size=block_bytes, use_threads=False)  # threads read far ahead
    return {
        row.pop("key"): {name: value for name, value in row.items() if value is not None}
        for block in arrow_csv.open_csv(file, read_options=read, convert_options=options)
        for row in block.to_pylist()
    }


def is_current(file: Path, finished: Iterable[TrialRecord]) -> bool:
    """Whether a table is as it was written, and has the rows of all these trials as they are now."""
    try:
        seal = json.loads(seal_of(file).read_text(encoding="utf-8"))
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != seal["sha256"]:
                return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    with file.open(encoding="utf-8", newline="") as lines:
        rows = {(row[0], row[1], row[3]) for row in csv.reader(lines)}
    return all((record.key, *_identity(record)) in rows for record in finished)


def _columns(paths: Iterable[str], middle: Iterable[str]) -> list[str]:
    """All columns: searched values, and then whatever else was between the first and the last ones."""
    return [*FIRST, *sorted(paths), *sorted(set(middle) - set(paths)), *LAST]


def _identity(record: TrialRecord) -> Identity:
    return str(record.number), record.state


def _cells(record: TrialRecord, metrics: Mapping[str, float], columns: Sequence[str]) -> Iterator[Any]:
    duration = "" if record.duration_s is None else round(record.duration_s, 3)
    known = {
        **metrics,
        **record.parameters,
        "key": record.key,
        "number": record.number,
        "seed": record.seed,
        "state": record.state,
        "duration_s": duration,
        "attempts": record.attempts,
        "reason": record.reason or "",
    }
    return (_one_line(known.get(name, "")) for name in columns)


def _one_line(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else as_cell(" ".join(str(value).splitlines()))


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
