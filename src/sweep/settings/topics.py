"""Training data of test collections: their training topics with the passages that assessors judged."""

from typing import Annotated, Literal

from pydantic import Field

from sweep.settings.base import Name, Positive, Section
from sweep.settings.corpus import Corpus
from sweep.settings.evaluation import Protocol


class TopicData(Section):
    """What all such training data have: the split that is trained on, hard negatives of a question, and questions of
    a language, chosen by a hash of their ids."""

    corpus: Corpus
    path: str | None
    split: Name
    max_negatives: Annotated[int, Field(ge=0)]
    max_questions: Positive | None

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return self.corpus.name


class JudgedData(TopicData):
    """Topics, corpus and relevance judgements (qrels) in MIRACL's or BEIR's layout: passages of a grade above 0
    answer a question, the others are its hard negatives. `protocol: parallel`: queries with the same id are
    translations. `apart_from`: splits that are evaluated on; nothing that answers one of their questions is trained
    on."""

    kind: Literal["judged"]
    layout: Literal["miracl", "beir"]
    protocol: Protocol
    apart_from: tuple[Name, ...]


class MrTydiData(TopicData):
    """Mr. TyDi's training file of each language: a question, its passages and hard negatives in each line."""

    kind: Literal["mr_tydi"]
