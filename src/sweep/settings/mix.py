"""Training data of several sources, and the union of all training data."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from sweep.settings.base import Section, matching
from sweep.settings.data import SourceSettings

SourceName = Annotated[str, matching("[A-Za-z0-9_]+", "a name of letters, digits and '_'")]


class MixData(Section):
    """Training data of several sources, read one after another in the order of their names, whatever the order in
    which they are given: equal settings are equal data. Their names begin those of their groups."""

    corpus: ClassVar[None] = None
    path: ClassVar[None] = None

    kind: Literal["mix"]
    sources: dict[SourceName, SourceSettings]

    @field_validator("sources")
    @classmethod
    def _in_order(cls, sources: dict[str, SourceSettings]) -> dict[str, SourceSettings]:
        if not sources:
            raise ValueError("a mix needs sources; add one or more, such as +data@data.sources.mlqa=mlqa_r")
        return dict(sorted(sources.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The sources' names, in the order of their rows."""
        return tuple(self.sources)

    @property
    def sections(self) -> dict[str, SourceSettings]:
        """The sources by their places in the configuration."""
        return {f"data.sources.{name}": source for name, source in self.sources.items()}

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return " + ".join(source.title for source in self.sources.values())


DataSettings = Annotated[SourceSettings | MixData, Field(discriminator="kind")]
