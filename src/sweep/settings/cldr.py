"""What records drawn from CLDR's names look like."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweep.settings.base import Section


class CldrShape(Section):
    """What CLDR records look like, and the seed that draws them.

    `relation`: what a passage says about the concepts of a question, see `sweep.data.lexicon.terms`.
    """

    relation: Literal["names", "places"]
    concepts_per_passage: Annotated[int, Field(ge=2, le=32)]
    concepts_per_question: Annotated[int, Field(ge=1, le=32)]
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _question_within_passage(self) -> "CldrShape":
        if self.concepts_per_question >= self.concepts_per_passage:
            raise ValueError("concepts_per_question must be smaller than concepts_per_passage")
        return self

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without `relation: names`: studies were begun before there was a choice."""
        return super().plain(but | {"relation"} if self.relation == "names" else but)
