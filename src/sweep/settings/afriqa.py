"""AfriQA's gold passages: questions in African languages on passages in English or French."""

from typing import Any, ClassVar, Literal

from sweep.settings.base import Section
from sweep.settings.corpus import Corpus
from sweep.settings.evaluation import CorpusEvaluation

Split = Literal["train", "dev", "test"]


class AfriqaData(Section):
    """AfriQA as training data. Rows whose question, translation or passage occurs in a split of `apart_from`, in
    whatever language, are left out: Wikipedia's passages are in several splits."""

    kind: Literal["afriqa"]
    corpus: Corpus
    path: str | None
    split: Split
    apart_from: tuple[Split, ...]

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return self.corpus.name


class AfriqaEvaluation(CorpusEvaluation):
    """AfriQA as a benchmark: questions and their translations into the pivot language, on the same passages: all of
    the split, or those of the kept questions alone (`asked`)."""

    search: ClassVar[None] = None  # all ranks are exact

    kind: Literal["afriqa"]
    split: Split
    passages: Literal["all", "asked"] = "all"

    @property
    def is_whole(self) -> bool:
        """As of any, with all passages."""
        return super().is_whole and self.passages == "all"

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any, without `passages: all`: studies were begun before there was a choice."""
        return super().plain(but | {"passages"} if self.passages == "all" else but)
