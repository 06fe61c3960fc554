"""Training data from bitext: sentences that are translations of each other, line by line or unit by unit."""

from typing import Literal

from sweep.settings.corpus import Corpus
from sweep.settings.documents import DocumentSplit


class BitextData(DocumentSplit):
    """Moses pairs, TMX or line-parallel files. `pairs: translation`: a question is a sentence, its passage a
    translation of it; `neighbour`: its passage is the next sentence of the document, in any language."""

    kind: Literal["bitext"]
    corpus: Corpus
    path: str | None
    pairs: Literal["translation", "neighbour"]

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return self.corpus.name
