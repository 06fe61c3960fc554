"""Triples of texts (query, relevant passage, hard negative), MS MARCO's `triples.train.small.tsv`, as training data.

The file is read line by line, twice: what is relevant to a question may stand behind the line that has it as a hard
negative. Of a text only a hash is kept: questions, relevant passages, and the hard negatives that are kept.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from sweep.data.lines import numbered_lines
from sweep.data.remarks import Remark
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError, shortened
from sweep.settings import MsMarcoData

DIGEST_BYTES = 16  # of a hash: no two of 10^12 texts share one, for all practical purposes


def text_triple_rows(files: dict[str, Path], settings: MsMarcoData, remarks: list[Remark]) -> Iterator[TrainingRow]:
    """A row for each line that has something new; a question is a translation group of its language alone.

    Raises InputError naming file and line.
    """
    for code, file in files.items():
        yield from _language_rows(code, file, settings, remarks)


def _language_rows(code: str, file: Path, settings: MsMarcoData, remarks: list[Remark]) -> Iterator[TrainingRow]:
    relevant, kept = _relevant(file, settings.max_questions)
    given: set[bytes] = set()  # pairs of a question and a relevant passage
    negative: set[bytes] = set()
    conflicts: set[bytes] = set()
    count: Counter[bytes] = Counter()
    for number, question, passage, other in _triples(file):
        group = _hash(question)
        if kept is not None and group not in kept:
            continue
        pair, rejected = _hash(question, passage), _hash(question, other)
        is_new = pair not in given
        given.add(pair)
        if rejected in relevant:
            conflicts.add(rejected)
        keeps = count[group] < settings.max_negatives and rejected not in negative and rejected not in relevant
        if keeps:
            negative.add(rejected)
            count[group] += 1
        if is_new or keeps:
            negatives = (other,) if keeps else ()
            yield TrainingRow(f"{code}:{group.hex()}", code, question, passage, negatives, place=f"{file}:{number}")
    if conflicts:
        remarks.append(
            Remark(f"{len(conflicts):,} hard negatives are relevant to their query, too, and have been left out")
        )


def _relevant(file: Path, limit: int | None) -> tuple[set[bytes], set[bytes] | None]:
    """All pairs of a question and a relevant passage; with a limit as many questions, the same ones in whatever order
    they come."""
    relevant: set[bytes] = set()
    questions: set[bytes] = set()
    for _, question, passage, _ in _triples(file):
        relevant.add(_hash(question, passage))
        if limit is not None:
            questions.add(_hash(question))
    return relevant, None if limit is None else set(sorted(questions)[:limit])


def _triples(file: Path) -> Iterator[tuple[int, str, str, str]]:
    """The number of each line, and its texts."""
    for number, line in numbered_lines(file):
        fields = line.split("\t")
        if len(fields) != 3:
            raise InputError(
                f"{file}:{number}: must have 3 fields (query, relevant passage, other passage), tab-separated, not "
                f"{len(fields)}: '{shortened(line.strip())}'"
            )
        if all(field.strip().isdecimal() for field in fields):
            raise InputError(f"{file}:{number}: has ids and no texts: '{shortened(line)}'; it is for data.triples")
        yield number, fields[0], fields[1], fields[2]


def _hash(*texts: str) -> bytes:
    return blake2b("\t".join(texts).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
