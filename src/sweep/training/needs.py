"""What a loss needs of a step besides the batch's questions and passages."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Needs:
    """By default nothing.

    `translation`: each row brings its group's question in a language other than that of its question, or other than
    that of its passage, where the group has one. `teacher`: a frozen encoder embeds the texts of the rows, or with
    `pivot` their translations in that language.
    """

    translation: Literal["question", "passage"] | None = None
    teacher: bool = False
    pivot: str | None = None


NOTHING = Needs()
