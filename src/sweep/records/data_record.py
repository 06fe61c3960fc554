"""Which data a study or a trial had: names, sources, sizes, and digests of their content."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sweep.errors import shortened
from sweep.records.files import write_atomically

DataRole = Literal["training", "evaluation", "lexicon"]
DATA = "data.json"  # in the folder
SHOWN_DIGITS = 12  # of a digest, where people read it
ROLES: dict[DataRole, str] = {"training": "trained on", "evaluation": "evaluated on", "lexicon": "switched words by"}


@dataclass(frozen=True)
class DataRecord:
    """Training data, a benchmark, or a lexicon as it was read.

    `source`: a path as it was given, a URL, a name on the hub with its revision, or "embedded"; of a mix
    "NAME: SOURCE" for each of its sources; without passwords.
    `questions` and `passages`: how many; of a lexicon, how many words of these it has.
    `digest`: SHA-256 (hex) of the content, whatever files it comes from.
    `settings`: of how it is read, a digest too; records with different ones are of different data.
    """

    role: DataRole
    name: str
    source: str
    languages: tuple[str, ...]
    questions: int
    passages: int
    digest: str
    settings: str

    @property
    def size(self) -> str:
        """How much it is, for people."""
        unit = "words of " if self.role == "lexicon" else ""
        return f"{self.questions:,} {unit}questions, {self.passages:,} {unit}passages"

    @property
    def text(self) -> str:
        """In a line, for people."""
        source = "" if self.source in (self.name, "embedded") else f" from {self.source}"
        languages = f"{len(self.languages)} languages" if len(self.languages) > 1 else self.languages[0]
        return f"{self.name}{source}: {languages}, {self.size}, SHA-256 {self.digest[:SHOWN_DIGITS]}"


def write_records(folder: Path, records: Sequence[DataRecord]) -> None:
    """Keep records in the folder of a study or a trial."""
    write_atomically(folder / DATA, json.dumps({"data": [asdict(record) for record in records]}, indent=1))


def read_records(folder: Path) -> tuple[DataRecord, ...]:
    """The records of a study or a trial; none if there are none, or if they are damaged, which stops nobody."""
    try:
        listed = json.loads((folder / DATA).read_text(encoding="utf-8"))["data"]
        return tuple(DataRecord(**{**each, "languages": tuple(each["languages"])}) for each in listed)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return ()


def changed_data(then: Sequence[DataRecord], now: Sequence[DataRecord]) -> str | None:
    """What of the data is no longer what it was, in a line; None if all is, as far as it is known."""
    known = {(record.role, record.settings): record for record in then}
    for record in now:
        before = known.get((record.role, record.settings), record)
        if before.digest != record.digest:
            return (
                f"{record.name} ({shortened(record.source)}), {ROLES[record.role]}, had {before.size} "
                f"and SHA-256 {before.digest[:SHOWN_DIGITS]}, and now has "
                f"{record.questions:,}, {record.passages:,} and {record.digest[:SHOWN_DIGITS]}"
            )
    return None


def data_lines(records: Sequence[DataRecord]) -> list[str]:
    """The data in lines for people."""
    return [f"{ROLES[record.role].capitalize()} {record.text}" for record in records]
