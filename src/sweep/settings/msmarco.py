"""Training data in the layout of MS MARCO's passage ranking: a collection, queries, and who answers whom."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from sweep.settings.base import Positive, Section
from sweep.settings.corpus import Corpus

LANGUAGE = "{language}"  # in a file's name: whatever its folder calls a language


def _checked_file(text: str) -> str:
    parts = text.split("/")
    if not text or "" in parts or ".." in parts:
        raise ValueError(f"{text!r} is no file below the corpus' folder; write FOLDER/NAME")
    if text.count(LANGUAGE) > 1 or re.search("[{}]", text.replace(LANGUAGE, "")):
        raise ValueError(f"{text!r}: {LANGUAGE} may stand there once, and no other braces")
    return text


# A file below the corpus' folder; {language} stands for what its files call the language.
LanguageFile = Annotated[str, AfterValidator(_checked_file)]


class MsMarcoData(Section):
    """Passages and queries that are parallel by id, `qrels` (query, 0, passage, grade) that say which passages answer
    which query, and `triples` of ids (query, relevant passage, hard negative); or `text_triples` (query, relevant
    passage, hard negative) that need no other file. `max_negatives`: of a question, the first ones of the triples;
    `max_questions`: chosen by a hash of their ids."""

    kind: Literal["msmarco"]
    corpus: Corpus
    path: str | None
    collection: LanguageFile
    queries: LanguageFile
    qrels: LanguageFile | None
    triples: LanguageFile | None
    text_triples: LanguageFile | None
    max_negatives: Annotated[int, Field(ge=0)]
    max_questions: Positive | None

    @property
    def title(self) -> str:
        """What a model card calls it."""
        return self.corpus.name

    @model_validator(mode="after")
    def _says_what_is_relevant(self) -> "MsMarcoData":
        if (self.qrels, self.triples, self.text_triples) == (None, None, None):
            raise ValueError("qrels, triples or text_triples must name a file: it says which passage answers a query")
        for name in ("qrels", "triples"):
            if LANGUAGE in (getattr(self, name) or ""):
                raise ValueError(f"{name} holds ids, which are of no language: it must not have {LANGUAGE}")
        return self
