"""Collections in BEIR's layout (arXiv 2104.08663), one folder a language."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from sweep.data.lines import Id, Judgement, OptionalText, json_lines, judgement, lines
from sweep.errors import InputError


class _Record(BaseModel):
    id: Id = Field(alias="_id")
    title: OptionalText = ""
    text: str


class BeirLayout:
    """`<language>/corpus.jsonl`, `<language>/queries.jsonl` (or `.jsonl.gz`) and `<language>/qrels/<split>.tsv`."""

    def languages(self, folder: Path) -> tuple[str, ...]:
        """Languages with a corpus in the folder."""
        return tuple(sorted(file.parent.name for file in folder.glob("*/corpus.jsonl*")))

    def advice(self, folder: Path) -> str:
        """What to do about a folder without languages, if it is known, behind a colon."""
        if not any(folder.glob("corpus.jsonl*")):
            return ": it needs a folder for each language, <language>/corpus.jsonl"
        return f": its files need a folder of their language; move corpus, queries and qrels into {folder}/en, say"

    def corpus_files(self, folder: Path, language: str) -> list[Path]:
        """The language's corpus."""
        return [_either(folder / language / "corpus.jsonl")]

    def documents(self, file: Path) -> Iterator[tuple[str, str, str]]:
        """(place, id, text) of each passage; its title stands before the text."""
        for place, record in json_lines(file, _Record):
            yield place, record.id, f"{record.title} {record.text}".strip()

    def topic_files(self, folder: Path, language: str, split: str) -> tuple[Path, Path]:
        """The queries of all splits, and the split's qrels."""
        return _either(folder / language / "queries.jsonl"), folder / language / "qrels" / f"{split}.tsv"

    def queries(self, folder: Path, language: str, split: str) -> Iterator[tuple[str, str, str]]:
        """(place, id, text) of each query of any split."""
        for place, record in json_lines(self.topic_files(folder, language, split)[0], _Record):
            yield place, record.id, record.text

    def judgements(self, folder: Path, language: str, split: str) -> Iterator[Judgement]:
        """The qrels: query-id, corpus-id, score, after a line with these names."""
        for number, line in enumerate(lines(self.topic_files(folder, language, split)[1])):
            fields = line.text.split("\t")
            if len(fields) != 3:
                raise InputError(f"{line.place}: must have 3 fields (query-id, corpus-id, score), not {len(fields)}")
            if number == 0 and fields[0] == "query-id":
                continue
            yield judgement(line, *fields)


def _either(file: Path) -> Path:
    zipped = file.with_suffix(".jsonl.gz")
    return zipped if zipped.exists() and not file.exists() else file
