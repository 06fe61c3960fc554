"""Training data: which corpus, and how it is read."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sweep.settings.afriqa import AfriqaData
from sweep.settings.base import Positive, Section
from sweep.settings.bitext import BitextData
from sweep.settings.cldr import CldrShape
from sweep.settings.corpus import Corpus
from sweep.settings.msmarco import MsMarcoData
from sweep.settings.rows import RowsData
from sweep.settings.squad import SquadReading
from sweep.settings.topics import JudgedData, MrTydiData


class CldrRecords(Section):
    """How many training records a language gets, by its tier."""

    high: Positive
    mid: Positive
    low: Positive


class CldrData(CldrShape):
    """Embedded training data drawn from CLDR names; no download."""

    title: ClassVar[str] = "CLDR records (embedded)"
    corpus: ClassVar[None] = None
    path: ClassVar[None] = None

    kind: Literal["cldr"]
    records: CldrRecords


class SquadData(SquadReading):
    """Training data in SQuAD format: a public corpus or a folder of `<language>.json`."""

    kind: Literal["squad"]
    corpus: Corpus
    path: str | None
    max_questions: Positive | None

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return self.corpus.name


# All but a mix of them (see `sweep.settings.mix`).
SourceSettings = Annotated[
    CldrData | SquadData | RowsData | BitextData | MsMarcoData | JudgedData | MrTydiData | AfriqaData,
    Field(discriminator="kind"),
]
