"""Collections with relevance judgements (qrels) as benchmarks: what MIRACL and BEIR have in common.

A layout says where a language's files lie and how their lines read; everything else is here. Corpora become
memory-mapped tables in the cache, so they may be larger than memory.
"""

import hashlib
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sweep.data.beir import BeirLayout
from sweep.data.benchmark import Benchmark, Question, benchmark, rows_by_question
from sweep.data.corpora import corpus_folder
from sweep.data.lines import Judgement
from sweep.data.miracl import MiraclLayout
from sweep.data.passages import Passage, Passages, passages_on_disk
from sweep.errors import InputError
from sweep.settings import JudgedEvaluation


class Layout(Protocol):
    """Where a collection's files lie and how they read. Texts come with their place, "file:line"."""

    def languages(self, folder: Path) -> tuple[str, ...]: ...
    def corpus_files(self, folder: Path, language: str) -> list[Path]: ...
    def documents(self, file: Path) -> Iterator[tuple[str, str, str]]: ...
    def queries(self, folder: Path, language: str, split: str) -> Iterator[tuple[str, str, str]]: ...
    def judgements(self, folder: Path, language: str, split: str) -> Iterator[Judgement]: ...


# A new layout: its module, a line here and one in `sweep.data.registry`, and its name in the settings' `kind`.
LAYOUTS: dict[str, Layout] = {"miracl": MiraclLayout(), "beir": BeirLayout()}


def judged_languages(settings: JudgedEvaluation) -> tuple[str, ...]:
    """Languages in the collection's folder, or what its origin has."""
    if settings.path is None:
        return settings.corpus.languages
    return LAYOUTS[settings.kind].languages(Path(settings.path))


def judged_benchmark(settings: JudgedEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
    """Queries with a judgement in the split against each language's whole corpus. A query that no passage is relevant
    to is kept, to be counted as left out; queries that the split does not judge are not part of it.

    Raises InputError naming file and line.
    """
    layout = LAYOUTS[settings.kind]
    wanted = languages or judged_languages(settings)
    folder = corpus_folder(settings.corpus, settings.path, wanted, cache, "evaluation", settings.split)
    if not wanted:
        raise InputError(f"{settings.name}: {folder} holds no corpus in the layout of {settings.kind}")
    files = {code: layout.corpus_files(folder, code) for code in wanted}
    for code, parts in files.items():
        missing = next((part for part in parts if not part.exists()), None)
        if not parts or missing:
            raise InputError(
                f"{settings.name}: no corpus of language '{code}' in {folder}{f' ({missing})' if missing else ''}"
            )
    passages = _passages(layout, files, cache)
    questions: list[Question] = []
    relevant: dict[str, dict[str, int]] = {}
    rejected: dict[str, set[str]] = {}
    ignored: dict[str, set[str]] = {}
    for code in wanted:
        texts = _queries(layout, folder, code, settings.split)
        judged = _judgements(layout, folder, code, settings.split, texts.keys())
        _check_passages(code, judged, passages)
        kept = sorted(
            {judgement.query for judgement in judged}, key=lambda id_: hashlib.sha256(id_.encode()).digest()
        )
        prefix = "" if settings.protocol == "parallel" else f"{code}:"
        questions += [Question(f"{prefix}{id_}", code, texts[id_]) for id_ in sorted(kept[: settings.max_questions])]
        for judgement in judged:  # also of a question that only another language keeps: its translations are relevant
            group, passage = f"{prefix}{judgement.query}", f"{code}:{judgement.passage}"
            if judgement.grade > 0:
                relevant.setdefault(group, {})[passage] = judgement.grade
            else:
                rejected.setdefault(group, set()).add(passage)
            if settings.ignore_identical_ids:
                ignored.setdefault(group, set()).add(f"{code}:{judgement.query}")
    read = benchmark(settings.name, wanted, questions, passages, relevant, settings.protocol, unanswered=True)
    read = replace(read, ignored_q=rows_by_question(read, ignored), rejected_q=rows_by_question(read, rejected))
    return replace(read, notes=_ignored_note(read))


def _ignored_note(read: Benchmark) -> tuple[str, ...]:
    """How many questions have a passage of their own id."""
    count = sum(len(rows) > 0 for rows in read.ignored_q)
    if not count:
        return ()
    return (
        f"{read.name}: {count:,} of {len(read.questions):,} questions have a passage of their own id, which is no "
        "candidate for them (evaluation.ignore_identical_ids=true).",
    )


def _passages(layout: Layout, files: dict[str, list[Path]], cache: Path) -> Passages:
    """Every language's passages; ids begin with the language, since collections number each language anew."""
    sources = [file for parts in files.values() for file in parts]
    everything = (
        Passage(f"{code}:{id_}", code, text)
        for code, parts in files.items()
        for file in parts
        for _, id_, text in layout.documents(file)
    )
    try:
        return passages_on_disk(everything, tuple(files), sources, cache)
    except InputError:
        _check_ids(layout, files)
        raise


def _check_ids(layout: Layout, files: dict[str, list[Path]]) -> None:
    """Raise InputError at the line whose passage id an earlier line has."""
    for parts in files.values():
        seen: set[str] = set()
        for file in parts:
            for place, id_, _ in layout.documents(file):
                if id_ in seen:
                    raise InputError(f"{place}: passage id '{id_}' occurs twice")
                seen.add(id_)


def _queries(layout: Layout, folder: Path, language: str, split: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for place, id_, text in layout.queries(folder, language, split):
        if id_ in texts:
            raise InputError(f"{place}: query id '{id_}' occurs twice")
        texts[id_] = text
    return texts


def _judgements(layout: Layout, folder: Path, language: str, split: str, queries: Container[str]) -> list[Judgement]:
    judged = list(layout.judgements(folder, language, split))
    for judgement in judged:
        if judgement.query not in queries:
            raise InputError(f"{judgement.place}: names the unknown query '{judgement.query}'")
    if not judged:
        raise InputError(f"the {split} split of '{language}' in {folder} has no judgements")
    return judged


def _check_passages(language: str, judged: list[Judgement], passages: Passages) -> None:
    known = passages.rows_of({f"{language}:{judgement.passage}" for judgement in judged if judgement.grade > 0})
    for judgement in judged:
        if judgement.grade > 0 and f"{language}:{judgement.passage}" not in known:
            raise InputError(f"{judgement.place}: names the unknown passage '{judgement.passage}'")


class JudgedBenchmark:
    """Reader of every `evaluation.kind` that is one of the `LAYOUTS`."""

    def load(self, settings: JudgedEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return judged_benchmark(settings, languages, cache)

    def languages(self, settings: JudgedEvaluation) -> tuple[str, ...]:
        """Those of the folder or the origin."""
        return judged_languages(settings)
