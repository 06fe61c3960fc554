"""Benchmarks: which corpus, how it is read, how its pools are searched."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from sweep.settings.base import Language, Name, Positive, Section, Tiers
from sweep.settings.cldr import CldrShape
from sweep.settings.corpus import Corpus
from sweep.settings.documents import DocumentSplit
from sweep.settings.squad import SquadReading

Twins = Literal["judged", "merge", "keep"]
Debias = Literal["center", "shift", "lir"]
Protocol = Literal["parallel", "monolingual"]  # every language's pool and all together, or each language's own alone


class Debiasing(Section):
    """How the language is removed from embeddings without training (see `sweep.evaluation.language_removal`).

    `debias`: what an encoder is evaluated with besides as it is. `debias_on`: what is estimated from, the passages of
    the benchmark's `pool` or those of the training set (`train`), without labels either way. `debias_pivot`: the
    language that `shift` moves the others to; null: English, or the first language without it.
    """

    debias: tuple[Debias, ...]
    debias_on: Literal["pool", "train"]
    debias_pivot: Language | None

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without what changes nothing: studies were begun before there was a choice."""
        return super().plain(but if self.debias else but | DEBIASING)

    @model_validator(mode="after")
    def _each_once(self) -> "Debiasing":
        if len(set(self.debias)) < len(self.debias):
            raise ValueError("debias lists a method twice")
        return self


DEBIASING = frozenset(Debiasing.model_fields)


class CldrEvaluation(CldrShape, Debiasing):
    """Held-out CLDR records as a benchmark."""

    search: ClassVar[None] = None  # all ranks are exact
    corpus: ClassVar[None] = None
    path: ClassVar[None] = None
    twins: ClassVar[Twins] = "keep"  # no two records are equal

    kind: Literal["cldr"]
    name: Name
    tiers: Tiers | None
    records: Positive


class CorpusEvaluation(Debiasing):
    """A benchmark read from files: `name` begins its metric keys; `path: null` downloads from the corpus' origin.
    `twins`: what exact copies of a passage are (see `sweep.data.twins`)."""

    name: Name
    corpus: Corpus
    tiers: Tiers | None
    path: str | None
    max_questions: Positive | None
    twins: Twins = "judged"

    @property
    def is_whole(self) -> bool:
        """Whether no limit keeps a part of it alone, which is an easier task."""
        return all(value is None for name, value in self if name.startswith("max_"))

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without `twins: keep`: studies were begun before there was a choice."""
        return super().plain(but | {"twins"} if self.twins == "keep" else but)


class SquadEvaluation(CorpusEvaluation, SquadReading):
    """A LAReQA benchmark: one candidate a sentence or paragraph. `unit`: what is
    parallel across languages, the paragraph or the translation group that a sentence answers. `max_paragraphs` keeps
    so many of them with their questions, `max_questions` so many questions with their paragraphs."""

    search: ClassVar[None] = None  # all ranks are exact

    kind: Literal["squad"]
    unit: Literal["paragraph", "group"]
    max_paragraphs: Positive | None = None

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any, without a limit that is none: studies were begun before there was one."""
        return super().plain(but | {"max_paragraphs"} if self.max_paragraphs is None else but)

    @model_validator(mode="after")
    def _of_parallel_paragraphs(self) -> "SquadEvaluation":
        if self.max_paragraphs is not None and self.unit != "paragraph":
            raise ValueError(
                "max_paragraphs keeps the same ones in every language: set unit=paragraph if they are parallel"
            )
        return self


class LinesEvaluation(CorpusEvaluation, DocumentSplit):
    """Line-parallel documents: a question is a sentence, and the next one of its document answers it, in every
    language. `max_documents` and `max_questions` keep so many, and only their documents' sentences as candidates."""

    search: ClassVar[None] = None  # all ranks are exact

    kind: Literal["lines"]
    max_documents: Positive | None


class SearchSettings(Section):
    """How a monolingual pool is searched. `exact`: every relevant passage's rank in the whole pool. Otherwise a FAISS
    index finds the best `depth` passages: `flat` compares all of them, `ivf` those of `probes` of `lists` clusters
    (null: 4 * sqrt(passages)), `hnsw` walks a graph of `neighbours` links looking at `probes` candidates or more."""

    index: Literal["exact", "flat", "ivf", "hnsw"]
    depth: Positive
    lists: Positive | None
    probes: Positive
    neighbours: Annotated[int, Field(ge=4, le=128)]


class JudgedEvaluation(CorpusEvaluation):
    """Queries, a corpus and relevance judgements (qrels), in MIRACL's or BEIR's layout, one pool a language.
    `ignore_identical_ids`: a passage with the query's own id is no candidate for it, unless it is judged relevant."""

    kind: Literal["miracl", "beir"]
    split: Name
    protocol: Protocol
    ignore_identical_ids: bool = True
    search: SearchSettings

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without `ignore_identical_ids: false`: studies were begun before there was a choice."""
        return super().plain(but if self.ignore_identical_ids else but | {"ignore_identical_ids"})

    @model_validator(mode="after")
    def _parallel_or_not(self) -> "JudgedEvaluation":
        if self.protocol != "parallel" and self.debias:
            raise ValueError("debias needs protocol=parallel: languages are not ranked together here")
        if self.protocol == "parallel" and self.search.index != "exact":
            raise ValueError("protocol=parallel ranks all languages together and needs search.index=exact")
        return self
