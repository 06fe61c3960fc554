"""MS MARCO's passage ranking (arXiv 1611.09268) and mMARCO (arXiv 2108.13897) as training data.

Query and passage ids are the same in all languages, so a query is a translation group: its texts in each language,
its relevant passages and its hard negatives there. One pass over qrels and triples says which passages are needed,
two where a hard negative turns out to be relevant (`sweep.data.relevance`). Then each language in turn: one pass over
its collection puts these passages into a file without a name in the cache (`sweep.data.wanted_texts`), from which
rows are made query by query. So memory is needed for some numbers a query, relevant passage and hard negative, and
the disk for the passages of one language.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sweep.data.corpora import corpus_folder
from sweep.data.file_patterns import existing_file, files_by_language, matching_files
from sweep.data.id_numbers import IdNumbers
from sweep.data.language_files import what_is_there
from sweep.data.lines import numbered_lines
from sweep.data.relevance import Numbers, Pairs, Relevance, RelevanceFiles, relevance
from sweep.data.remarks import Remark, remark
from sweep.data.text_triples import text_triple_rows
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.data.wanted_texts import Located, WantedTexts, wanted_texts
from sweep.errors import InputError, shortened
from sweep.settings import LANGUAGE, LanguageSettings, MsMarcoData


class MsMarcoTraining:
    """Reader of `data.kind=msmarco`."""

    def languages(self, settings: MsMarcoData) -> tuple[str, ...] | None:
        """Those of the files' names, or of the corpus; None if neither says. Raises InputError if no file has the
        name that is given."""
        if settings.path is None:
            return settings.corpus.languages
        pattern = settings.text_triples or settings.queries
        if LANGUAGE not in pattern:
            return settings.corpus.languages or None
        folder = corpus_folder(settings.corpus, settings.path, (), Path(), "data")
        there = tuple(sorted(files_by_language(folder, pattern, settings.corpus)))
        if not there:
            name = "queries" if settings.text_triples is None else "text_triples"
            raise InputError(
                f"data '{settings.title}': {folder} has no file of data.{name}={pattern} (there: "
                f"{what_is_there(folder)}); give the folder that holds them, or their names"
            )
        return there

    def open(self, settings: MsMarcoData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's folder or the corpus' origin. Raises InputError."""
        folder = corpus_folder(settings.corpus, settings.path, languages.train, cache, "data")
        title = f"data '{settings.corpus.name}'"
        if settings.text_triples is not None:
            files = _files(folder, "text_triples", languages.train, settings)
            return TrainingRows(
                title, tuple(files.values()), lambda remarks: text_triple_rows(files, settings, remarks)
            )
        source = _Source(
            RelevanceFiles(
                existing_file(folder, settings.qrels) if settings.qrels else None,
                existing_file(folder, settings.triples) if settings.triples else None,
            ),
            _files(folder, "queries", languages.train, settings),
            _files(folder, "collection", languages.train, settings),
        )
        return TrainingRows(title, source.all(), lambda remarks: _rows(source, settings, cache, remarks))


def _files(folder: Path, name: str, languages: tuple[str, ...], settings: MsMarcoData) -> dict[str, Path]:
    pattern = getattr(settings, name)
    return matching_files(folder, pattern, languages, settings.corpus, f"data.{name}={pattern}")


class _Source(NamedTuple):
    """All files: of ids, and of each language's texts."""

    ids: RelevanceFiles
    queries: dict[str, Path]
    collections: dict[str, Path]

    def all(self) -> tuple[Path, ...]:
        return (*filter(None, self.ids), *self.queries.values(), *self.collections.values())


def _rows(source: _Source, settings: MsMarcoData, cache: Path, remarks: list[Remark]) -> Iterator[TrainingRow]:
    """All rows, language by language, and in each by the queries' numbers."""
    queries, passages = IdNumbers(), IdNumbers()
    wanted = relevance(source.ids, queries, passages, settings.max_negatives, settings.max_questions)
    if not len(wanted.query_q):
        raise InputError(f"{source.ids.qrels or source.ids.triples}: names no passage that is relevant to a query")
    if wanted.conflicts:
        remarks.append(
            Remark(f"{wanted.conflicts:,} hard negatives are relevant to their query, too, and have been left out")
        )
    for code in source.queries:
        with ExitStack() as stack:
            asked = stack.enter_context(wanted_texts(wanted.query_q, queries, cache))
            remarks += _fill(asked, source.queries[code], "query", code)
            _check(asked, source.queries[code], "query", queries, wanted.relevant.query_p, wanted.relevant, source)
            needed = np.unique(np.concatenate([wanted.relevant.passage_p, wanted.negatives.passage_p]))
            texts = stack.enter_context(wanted_texts(needed, passages, cache))
            remarks += _fill(texts, source.collections[code], "passage", code)
            for pairs in (wanted.relevant, wanted.negatives):
                _check(texts, source.collections[code], "passage", passages, pairs.passage_p, pairs, source)
            yield from _language_rows(code, wanted, queries, (asked, texts), source.ids)


def _fill(texts: WantedTexts, file: Path, noun: str, language: str) -> list[Remark]:
    texts.fill(noun, _located(file, noun), lambda line: f"{file}:{line}")
    noun = "queries" if noun == "query" else "passages"
    return remark(f"{noun} that occur again, kept once", language, texts.again, len(texts) + len(texts.again))


def _located(file: Path, noun: str) -> Iterator[Located]:
    """Id and text of each line."""
    for number, line in numbered_lines(file):
        id_, tab, text = line.partition("\t")
        if not tab or not id_.strip() or "\t" in text:
            raise InputError(
                f"{file}:{number}: must be the id of a {noun}, a tab and its text: '{shortened(line.strip())}'"
            )
        yield Located(number, id_.strip(), text)


def _check(
    texts: WantedTexts, file: Path, noun: str, ids: IdNumbers, number_p: Numbers, pairs: Pairs, source: _Source
) -> None:
    """Raise InputError for the first pair that names what the file does not have."""
    unknown_p = np.flatnonzero(np.isin(number_p, texts.absent()))
    if len(unknown_p):
        first = int(unknown_p[np.argmin(pairs.where_p[unknown_p])])
        place, unknown = source.ids.place(int(pairs.where_p[first])), ids.id(int(number_p[first]))
        raise InputError(f"{place}: names the {noun} '{unknown}', which {file} does not have")


def _language_rows(
    code: str, wanted: Relevance, queries: IdNumbers, texts: tuple[WantedTexts, WantedTexts], files: RelevanceFiles
) -> Iterator[TrainingRow]:
    """A row for each query and relevant passage; the first of a query has its hard negatives."""
    asked, passages = texts
    relevant_p, negative_p = passages.rows(wanted.relevant.passage_p), passages.rows(wanted.negatives.passage_p)
    relevant_start_q, negative_start_q = (
        np.searchsorted(pairs.query_p, np.append(wanted.query_q, np.iinfo(np.int64).max)).tolist()
        for pairs in (wanted.relevant, wanted.negatives)
    )
    for row, query in enumerate(wanted.query_q.tolist()):
        group, question = queries.id(query), asked.at(row)
        negatives = tuple(
            passages.at(one) for one in negative_p[negative_start_q[row] : negative_start_q[row + 1]].tolist()
        )
        for index in range(relevant_start_q[row], relevant_start_q[row + 1]):
            place = files.place(int(wanted.relevant.where_p[index]))
            passage = passages.at(int(relevant_p[index]))
            yield TrainingRow(group, code, question, passage, negatives, place=place)
            negatives = ()
