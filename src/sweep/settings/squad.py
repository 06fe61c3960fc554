"""How files in SQuAD's format are read, whatever for."""

from typing import Any, ClassVar, Literal

from sweep.settings.base import Language, Probability, Section


class SquadReading(Section):
    """How files in SQuAD's format are read. `candidates`: sentences, by the file's sentence_breaks or else by a
    splitter that knows the language; or whole paragraphs; `auto`: sentences if the files have sentence_breaks,
    paragraphs if none does. `context`: a sentence is followed by its paragraph. A file is refused if the text of more
    than the share `misplaced_answers` of its answers is not where its offset says; no result depends on that.
    `files`: the file of each language whose name does not tell it, or a pattern that all names match; null: as their
    names say."""

    UNRELATED: ClassVar[frozenset[str]] = frozenset({"misplaced_answers"})

    candidates: Literal["auto", "sentence", "paragraph"]
    context: bool
    misplaced_answers: Probability
    files: dict[Language, str] | str | None = None

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without `candidates: auto` and `files: null`: studies were begun before there was a
        choice."""
        unnamed = {name for name, usual in (("candidates", "auto"), ("files", None)) if getattr(self, name) == usual}
        return super().plain(but | unnamed)
