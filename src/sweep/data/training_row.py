"""What a reader of training data gives: one question with a passage that answers it, again and again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sweep.data.remarks import Remark
from sweep.errors import InputError


class TrainingRow(NamedTuple):
    """One question with a relevant passage and, if there are any, hard negatives, mostly in the passage's language.

    All rows of a translation group belong together: each of its questions, in whatever language, is answered by each
    of its passages. A group may have several questions and several passages in a language, a row each. What a row
    repeats of its group counts once. `passage_language` is empty if it is the question's. `weight` is what the row's
    loss is multiplied by. `place` ("file:line") is for messages; `source` names which of several sources of a study
    it comes from.
    """

    group: str
    language: str
    question: str
    passage: str
    negatives: tuple[str, ...] = ()
    passage_language: str = ""
    weight: float = 1.0
    place: str = ""
    source: str = ""


class TrainingRows(NamedTuple):
    """Training data that can be read, row by row, in languages that were asked for and no others.

    `files` are all that it is read from; none for data that are made. `read` begins anew at each call, needs memory
    for little more than a row, adds to the list what a reader should know of the files, and raises InputError naming
    the file and the line for what it cannot read. `title` begins the lines of these remarks.
    """

    title: str
    files: tuple[Path, ...]
    read: Callable[[list[Remark]], Iterator[TrainingRow]]


class LanguagesLacking(InputError):
    """Languages that were asked for have no row. Raised after the last row, so that a mix can go on: another of its
    sources may have them."""
