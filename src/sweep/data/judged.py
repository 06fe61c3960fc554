"""Collections with relevance judgements (qrels) as benchmarks: what MIRACL and BEIR have in common.

A layout says where a language's files lie and how their lines read; everything else is here. Corpora become
memory-mapped tables in the cache, so they may be larger than memory.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

from sweep.data.beir import BeirLayout
from sweep.data.benchmark import Benchmark, Question, benchmark, rows_by_question
from sweep.data.corpora import corpus_folder
from sweep.data.language_files import by_language
from sweep.data.lines import Judgement
from sweep.data.miracl import MiraclLayout
from sweep.data.once import check_ids, judgements_once, texts_by_id
from sweep.data.passages import Passage, Passages, passages_on_disk
from sweep.data.remarks import Remark, remark, remark_lines
from sweep.errors import InputError
from sweep.settings import JudgedEvaluation


class Layout(Protocol):
    """Where a collection's files lie and how they read. Texts come with their place, "file:line"."""

    def languages(self, folder: Path) -> tuple[str, ...]: ...
    def advice(self, folder: Path) -> str: ...
    def corpus_files(self, folder: Path, language: str) -> list[Path]: ...
    def documents(self, file: Path) -> Iterator[tuple[str, str, str]]: ...
    def topic_files(self, folder: Path, language: str, split: str) -> tuple[Path, Path]: ...
    def queries(self, folder: Path, language: str, split: str) -> Iterator[tuple[str, str, str]]: ...
    def judgements(self, folder: Path, language: str, split: str) -> Iterator[Judgement]: ...


# A new layout: its module, a line here and one in `sweep.data.registry`, and its name in the settings' `kind`.
LAYOUTS: dict[str, Layout] = {"miracl": MiraclLayout(), "beir": BeirLayout()}


def judged_languages(settings: JudgedEvaluation) -> tuple[str, ...]:
    """Languages in the collection's folder, or what its origin has."""
    if settings.path is None:
        return settings.corpus.languages
    folder = Path(settings.path)
    return tuple(by_language(folder, LAYOUTS[settings.kind].languages(folder)))


def judged_benchmark(settings: JudgedEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
    """Queries with a judgement in the split against each language's whole corpus. A query that no passage is relevant
    to is kept, to be counted as left out; queries that the split does not judge are not part of it.

    Raises InputError naming file and line.
    """
    layout = LAYOUTS[settings.kind]
    wanted = languages or judged_languages(settings)
    folder = corpus_folder(settings.corpus, settings.path, wanted, cache, "evaluation", settings.split)
    if not wanted:
        raise InputError(no_corpus(settings.name, settings.kind, folder))
    written, files = corpus_files(settings.name, layout, folder, wanted)
    passages = _passages(layout, files, cache)
    read = _Read()
    for code in wanted:
        _read_language(read, _Folder(layout, folder, code, written[code]), settings, passages)
    bench = benchmark(
        settings.name, wanted, read.questions, passages, read.relevant, settings.protocol, unanswered=True
    )
    bench = replace(
        bench, ignored_q=rows_by_question(bench, read.ignored), rejected_q=rows_by_question(bench, read.rejected)
    )
    remarks = [*read.remarks, *_repeated(passages, wanted)]
    return replace(bench, notes=(*remark_lines(bench.name, remarks), *_ignored_note(bench)))


def no_corpus(name: str, layout: str, folder: Path) -> str:
    """What is wrong with a folder without languages, and what to do."""
    return f"{name}: {folder} holds no corpus in the layout of {layout}{LAYOUTS[layout].advice(folder)}"


def corpus_files(
    name: str, layout: Layout, folder: Path, languages: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, list[Path]]]:
    """What the folder calls each of its languages, and the corpus of each given one. Raises InputError for a language
    without a corpus."""
    written = by_language(folder, layout.languages(folder))
    files = {code: layout.corpus_files(folder, written.get(code, code)) for code in languages}
    for code, parts in files.items():
        missing = next((part for part in parts if not part.exists()), None)
        if not parts or missing:
            raise InputError(
                f"{name}: no corpus of language '{code}' in {folder}{f' ({missing})' if missing else ''}"
            )
    return written, files


@dataclass
class _Read:
    """What is read, language by language: by translation group, ids of passages with the grades of those that are
    relevant, of those that are not, and of those with the query's own id."""

    questions: list[Question] = field(default_factory=list)
    relevant: dict[str, dict[str, int]] = field(default_factory=dict)
    rejected: dict[str, set[str]] = field(default_factory=dict)
    ignored: dict[str, set[str]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)


class _Folder(NamedTuple):
    """A language of a collection, and its name in the folder."""

    layout: Layout
    folder: Path
    code: str
    written: str


def _read_language(read: _Read, source: _Folder, settings: JudgedEvaluation, passages: Passages) -> None:
    layout, folder, code, written = source
    texts, again = texts_by_id("query", layout.queries(folder, written, settings.split))
    read.remarks += remark("queries that occur again, kept once", code, again, len(texts) + len(again))
    judged, again = judgements_once(layout.judgements(folder, written, settings.split), texts.keys())
    read.remarks += remark("judgements that occur again, kept once", code, again, len(judged) + len(again))
    if not judged:
        raise InputError(f"the {settings.split} split of '{code}' in {folder} has no judgements")
    _check_passages(code, judged, passages)
    kept = sorted({judgement.query for judgement in judged}, key=lambda id_: hashlib.sha256(id_.encode()).digest())
    prefix = "" if settings.protocol == "parallel" else f"{code}:"
    kept = sorted(kept[: settings.max_questions])
    read.questions += [Question(f"{prefix}{id_}", code, texts[id_]) for id_ in kept]
    for judgement in judged:  # also of a question that only another language keeps: its translations are relevant
        group, passage = f"{prefix}{judgement.query}", f"{code}:{judgement.passage}"
        if judgement.grade > 0:
            read.relevant.setdefault(group, {})[passage] = judgement.grade
        else:
            read.rejected.setdefault(group, set()).add(passage)
        if settings.ignore_identical_ids:
            read.ignored.setdefault(group, set()).add(f"{code}:{judgement.query}")


def _repeated(passages: Passages, languages: tuple[str, ...]) -> list[Remark]:
    """Passages that the files have more than once, by language."""
    remarks: list[Remark] = []
    for place, code in enumerate(languages):
        ids = [id_.removeprefix(f"{code}:") for id_ in passages.repeated if id_.startswith(f"{code}:")]
        total = int((passages.language_d == place).sum()) + len(ids)
        remarks += remark("passages that occur again, kept once", code, ids, total)
    return remarks


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
        for parts in files.values():
            check_ids("passage", chain.from_iterable(map(layout.documents, parts)))
        raise


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
