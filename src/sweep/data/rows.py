"""Training data in rows as teams have it, of JSON Lines, CSV, TSV, Parquet or Arrow files, one or many.

`sweep.data.row_files` says which files, `sweep.data.tables` what is in them, `sweep.data.columns` which column is
what.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sweep.data.columns import Columns, columns_of
from sweep.data.remarks import Remark
from sweep.data.repeats import Repeats, repeat_remarks
from sweep.data.row_files import RowsFile, rows_files
from sweep.data.row_records import RecordReader
from sweep.data.tables import Placed, records
from sweep.data.training_row import LanguagesLacking, TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import LanguageSettings, RowsData
from sweep.settings.language import language_name
from sweep.settings.wording import excerpt, listed

NOT_TRAINED_ON = "rows in languages that are not in languages.train are passed over"
INCOMPLETE = "rows without both a question and a passage in languages.train are passed over"
QUOTED = "texts begin and end with a quotation mark, which is kept; if it is none of theirs set data.quotes=double"
_MOST_LAYOUTS = 256  # sets of keys in a JSON Lines file


class _Reading:
    """One reading of all files: the rows, and what there is to remark."""

    def __init__(self, settings: RowsData, languages: tuple[str, ...]) -> None:
        self.settings, self.languages = settings, languages
        self.names: dict[object, str] = {}  # of languages as they are written; "" if it is not trained on
        self.rows_in: Counter[str] = Counter()  # by the question's language
        self.passages_in: Counter[str] = Counter()  # of other languages than the question's
        self.untrained: set[str] = set()  # languages of the record that is read, as they are written
        self.passed_over: Counter[str] = Counter()  # by a language that is not trained on
        self.incomplete = 0
        self.quoted = 0
        self.repeats = Repeats()

    def language_of(self, written: object, place: str) -> str:
        """The name of a language as it is written; "" if it is not trained on. Raises InputError if it is none."""
        try:
            name = self.names[written]
        except (KeyError, TypeError):
            name = self._named(written, place)
        if not name:
            self.untrained.add(str(written))
        return name

    def _named(self, written: object, place: str) -> str:
        if not isinstance(written, str):
            raise InputError(f"{place}: a language must be a text such as 'sw', not {excerpt(repr(written))}")
        try:
            name = language_name(written.strip())
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error
        self.names[written] = name if name in self.languages else ""
        return self.names[written]

    def rows(self, file: RowsFile) -> Iterator[TrainingRow]:
        """The rows of a file. Raises InputError."""
        before = file.path.stat() if file.path.exists() else None
        readers: dict[tuple[str, ...], RecordReader] = {}

        def needed(names: tuple[str, ...], place: str) -> list[str]:
            reader = readers[names] = self._reader(names, file, place)
            readers[tuple(name for name in names if name in reader.columns.all)] = reader
            return [name for name in names if name in reader.columns.all]

        self.repeats.begin_file()
        for placed in records(file.path, file.format, self.settings, needed):
            names = tuple(placed.record)
            reader = readers.get(names)
            if reader is None:
                if len(readers) == _MOST_LAYOUTS:
                    readers.clear()
                reader = readers[names] = self._reader(names, file, placed.place)
            yield from self._of_record(reader, placed, file)
        _check_unchanged(file.path, before)

    def _reader(self, names: tuple[str, ...], file: RowsFile, place: str) -> RecordReader:
        columns = columns_of(names, self.settings.columns, place)
        language = self.settings.language or file.language
        if not language and _lacks_language(columns):
            raise InputError(
                f"{place}: no column is called language; it has: {listed(map(excerpt, names))}; set "
                "data.columns.language=NAME, or data.language=CODE if all is in one language, or name the file after "
                "it, such as en.jsonl"
            )
        names_its_own = "" in columns.query and columns.query_language is not None
        answered = self.settings.language or ("" if names_its_own else file.language)
        return RecordReader(columns, language, answered, self.language_of, self.settings.incomplete == "skip")

    def _of_record(self, reader: RecordReader, placed: Placed, file: RowsFile) -> Iterator[TrainingRow]:
        rows = reader.rows(placed.record, placed.place, f"{file.name}:{placed.number}")
        if self.untrained:
            self.passed_over.update(language_name(written.strip()) for written in self.untrained)
            self.untrained.clear()
        elif not rows:
            if self.settings.incomplete == "refuse":
                raise InputError(
                    f"{placed.place}: has no question with a passage; data.incomplete=skip passes such rows over"
                )
            self.incomplete += 1
        for row in rows:
            self.rows_in[row.language] += 1
            if row.passage_language:
                self.passages_in[row.passage_language] += 1
            if file.format == "tsv" and row.passage[:1] == row.passage[-1:] == '"':
                self.quoted += 1
            if reader.columns.group is not None:
                self.repeats.add(row, placed.number)
            yield row


def _lacks_language(columns: Columns) -> bool:
    """Whether a row does not say its languages."""
    asked = "" in columns.query and columns.query_language is None
    answered = "" in columns.passage and "" not in columns.query and columns.passage_language is None
    return asked or answered


def _check_unchanged(file: Path, before: object) -> None:
    """Raise InputError if a file is another than when its reading began."""
    try:
        after = file.stat()
    except OSError as error:
        raise InputError(f"{file}: vanished while it was read ({error.strerror}); run again") from error
    kept = ("st_ino", "st_size", "st_mtime_ns")
    if any(getattr(before, field, None) != getattr(after, field) for field in kept):
        raise InputError(f"{file}: was changed while it was read; run again when it is complete")


def _finish(reading: _Reading, files: list[RowsFile], remarks: list[Remark]) -> None:
    """Add the remarks on what was read. Raises InputError for repeats that are refused, and LanguagesLacking."""
    counts, first = reading.repeats.each()
    if first is not None:
        path = files[first.file].path
        number = f": row {first.row}" if files[first.file].format in ("parquet", "arrow") else f":{first.row}"
        if reading.settings.repeats == "refuse":
            raise InputError(
                f"{path}{number}: its group already has another question or passage in '{first.language}'; leave "
                "one, or set data.repeats=several"
            )
        remarks += repeat_remarks(counts, f"{path.name}{number}")
    remarks += [Remark(NOT_TRAINED_ON, code, f"{count:,}") for code, count in sorted(reading.passed_over.items())]
    if reading.incomplete:
        remarks.append(Remark(f"{INCOMPLETE}: {reading.incomplete:,}"))
    if reading.quoted:
        remarks.append(Remark(f"{QUOTED}: {reading.quoted:,}"))
    lacking = [code for code in reading.languages if not reading.rows_in[code] and not reading.passages_in[code]]
    if lacking:
        read = {code: f"{code} {count:,}" for code, count in sorted((reading.rows_in + reading.passed_over).items())}
        raise LanguagesLacking(
            f"{excerpt(reading.settings.title)}: no row in {listed(lacking)}; rows by language: "
            f"{listed(read.values())}; set languages.train, or data.language if a file's name is no language"
        )


class RowsTraining:
    """Reader of `data.kind=rows`."""

    def open(self, settings: RowsData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's files, a URL or the hub. Raises InputError."""
        files = rows_files(settings, languages.train, cache)

        def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
            reading = _Reading(settings, languages.train)
            for file in files:
                yield from reading.rows(file)
            _finish(reading, files, remarks)

        return TrainingRows(f"data '{excerpt(settings.title)}'", tuple(file.path for file in files), read)

    def languages(self, settings: RowsData) -> tuple[str, ...] | None:
        """Only the rows say."""
        return None
