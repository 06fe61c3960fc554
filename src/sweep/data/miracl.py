"""MIRACL as published: topics and qrels (TREC) a language, and the corpus in `docs-*.jsonl.gz` (arXiv 2210.09984)."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from sweep.data.lines import Id, Judgement, OptionalText, json_lines, judgement, lines
from sweep.errors import InputError


class _Document(BaseModel):
    docid: Id
    title: OptionalText = ""
    text: str


class MiraclLayout:
    """`miracl-v1.0-<language>/{topics,qrels}/*-<split>.tsv` and `miracl-corpus-v1.0-<language>/docs-*.jsonl[.gz]`."""

    def languages(self, folder: Path) -> tuple[str, ...]:
        """Languages with a corpus in the folder."""
        prefix = "miracl-corpus-v1.0-"
        return tuple(sorted(entry.name.removeprefix(prefix) for entry in folder.glob(f"{prefix}*")))

    def advice(self, folder: Path) -> str:
        """What a folder without languages lacks, behind a colon."""
        return ": it needs miracl-corpus-v1.0-<language> and miracl-v1.0-<language> for each language"

    def corpus_files(self, folder: Path, language: str) -> list[Path]:
        """All parts of a language's corpus, in order of their numbers."""
        parts = (folder / f"miracl-corpus-v1.0-{language}").glob("docs-[0-9]*.jsonl*")
        return sorted(parts, key=lambda file: int(file.name.split(".")[0].removeprefix("docs-")))

    def documents(self, file: Path) -> Iterator[tuple[str, str, str]]:
        """(place, id, text) of each passage; the article's title stands before the text."""
        for place, document in json_lines(file, _Document):
            yield place, document.docid, f"{document.title} {document.text}".strip()

    def topic_files(self, folder: Path, language: str, split: str) -> tuple[Path, Path]:
        """The split's topics and its qrels."""
        name = f"miracl-v1.0-{language}"
        parts = (("topics", f"topics.{name}-{split}.tsv"), ("qrels", f"qrels.{name}-{split}.tsv"))
        topics, qrels = (folder / name / part / file for part, file in parts)
        return topics, qrels

    def queries(self, folder: Path, language: str, split: str) -> Iterator[tuple[str, str, str]]:
        """(place, id, text) of each topic."""
        for line in lines(self.topic_files(folder, language, split)[0]):
            id_, tab, text = line.text.partition("\t")
            if not tab or not text.strip():
                raise InputError(f"{line.place}: must be a query id, a tab and the query")
            yield line.place, id_, text

    def judgements(self, folder: Path, language: str, split: str) -> Iterator[Judgement]:
        """The qrels: query, Q0, passage, grade."""
        for line in lines(self.topic_files(folder, language, split)[1]):
            fields = line.text.split()
            if len(fields) != 4:
                raise InputError(f"{line.place}: must have 4 fields (query, Q0, passage, grade), not {len(fields)}")
            yield judgement(line, fields[0], fields[2], fields[3])
