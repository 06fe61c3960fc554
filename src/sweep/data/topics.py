"""Training topics of test collections in MIRACL's or BEIR's layout, with the passages that were judged for them.

Questions and judgements of one language at a time are held in memory, and of its corpus only what was judged is kept,
on disk (`sweep.data.wanted_texts`). Unless queries are parallel, a group is of one language: such data take part in
monolingual batches only.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sweep.data.corpora import corpus_folder
from sweep.data.id_numbers import IdNumbers
from sweep.data.judged import LAYOUTS, Layout, corpus_files, no_corpus
from sweep.data.language_files import by_language
from sweep.data.leakage import normalised
from sweep.data.lines import Judgement
from sweep.data.once import judgements_once, texts_by_id
from sweep.data.remarks import Remark, remark
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.data.wanted_texts import Located, WantedTexts, wanted_texts
from sweep.errors import InputError
from sweep.settings import JudgedData, LanguageSettings

_LINE_BITS = 40  # of where a passage stands; above them is the number of its file


class JudgedTraining:
    """Reader of `data.kind=judged`."""

    def languages(self, settings: JudgedData) -> tuple[str, ...]:
        """Those of the folder or the origin. Raises InputError if there are none."""
        if settings.path is None:
            return settings.corpus.languages
        layout, folder = LAYOUTS[settings.layout], corpus_folder(settings.corpus, settings.path, (), Path(), "data")
        there = tuple(by_language(folder, layout.languages(folder)))
        if not there:
            raise InputError(no_corpus(f"data '{settings.title}'", settings.layout, folder))
        return there

    def open(self, settings: JudgedData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's folder or the corpus' origin. Raises InputError."""
        layout = LAYOUTS[settings.layout]
        splits = (settings.split, *settings.apart_from)
        for split in splits:
            folder = corpus_folder(settings.corpus, settings.path, languages.train, cache, "data", split)
        written, files = corpus_files(f"data '{settings.title}'", layout, folder, languages.train)
        sources = {code: _Folder(layout, folder, code, written[code], files[code]) for code in languages.train}
        judged = [file for source in sources.values() for split in splits for file in source.topic_files(split)]
        missing = next((file for file in judged if not file.is_file()), None)
        if missing is not None:
            raise InputError(f"{missing}: no such file; data.split={settings.split} needs it, or data.apart_from")

        def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
            for source in sources.values():
                yield from _rows(source, settings, cache, remarks)

        every = (*judged, *(part for parts in files.values() for part in parts))
        return TrainingRows(f"data '{settings.title}'", every, read)


class _Folder(NamedTuple):
    """A language of a collection, its name in the folder, and the parts of its corpus."""

    layout: Layout
    folder: Path
    code: str
    written: str
    corpus: list[Path]

    def topic_files(self, split: str) -> tuple[Path, Path]:
        return self.layout.topic_files(self.folder, self.written, split)

    def located(self) -> Iterator[Located]:
        """All passages."""
        for part, file in enumerate(self.corpus):
            for place, id_, text in self.layout.documents(file):
                yield Located((part << _LINE_BITS) + int(place.rpartition(":")[2]), id_, text)

    def place(self, where: int) -> str:
        """The file and line of a passage."""
        return f"{self.corpus[where >> _LINE_BITS]}:{where & ((1 << _LINE_BITS) - 1)}"


class _Topics(NamedTuple):
    """The questions of a split that were judged by their id, and what was judged for each."""

    texts: dict[str, str]
    relevant: dict[str, list[Judgement]]
    rejected: dict[str, list[Judgement]]

    def judged(self, ids: Iterator[str] | list[str]) -> list[Judgement]:
        """All judgements of some questions."""
        return [one for id_ in ids for one in (*self.relevant.get(id_, ()), *self.rejected.get(id_, ()))]


def _topics(source: _Folder, split: str, remarks: list[Remark]) -> _Topics:
    """The topics of a split. Questions without a judgement are no part of it, since one file may have the questions
    of several splits. Raises InputError naming file and line."""
    layout, folder, code, written, _ = source
    texts, again = texts_by_id("query", layout.queries(folder, written, split))
    remarks += remark("queries that occur again, kept once", code, again, len(texts) + len(again))
    judged, again = judgements_once(layout.judgements(folder, written, split), texts.keys())
    remarks += remark("judgements that occur again, kept once", code, again, len(judged) + len(again))
    if not judged:
        raise InputError(f"{source.topic_files(split)[1]}: has no judgements")
    topics = _Topics({one.query: texts[one.query] for one in judged}, {}, {})
    for one in judged:
        (topics.relevant if one.grade > 0 else topics.rejected).setdefault(one.query, []).append(one)
    unanswered = sorted(topics.texts.keys() - topics.relevant.keys())
    remarks += remark(
        "questions without a relevant passage, left out", code, unanswered, len(unanswered) + len(topics.relevant)
    )
    return topics


def _rows(source: _Folder, settings: JudgedData, cache: Path, remarks: list[Remark]) -> Iterator[TrainingRow]:
    """A row for each question and relevant passage of a language."""
    topics = _topics(source, settings.split, remarks)
    qrels = source.topic_files(settings.split)[1]
    if not topics.relevant:
        raise InputError(f"{qrels}: no judgement has a grade above 0, so no question has a passage to train on")
    others = [_topics(source, split, []) for split in settings.apart_from]
    drawn = sorted(topics.relevant, key=lambda id_: hashlib.sha256(id_.encode()).digest())
    if not others:
        drawn = drawn[: settings.max_questions]
    judged = topics.judged(sorted(drawn))
    answers = [one for other in others for ones in other.relevant.values() for one in ones]
    numbers = IdNumbers()
    wanted = np.unique(numbers.of([one.passage for one in (*judged, *answers)]))
    with wanted_texts(wanted, numbers, cache) as texts:
        texts.fill("passage", source.located(), source.place)
        remarks += remark("passages that occur again, kept once", source.code, texts.again, len(texts))
        passage = _lookup(texts, numbers, [*judged, *answers])
        asked = {normalised(text) for other in others for text in other.texts.values()}
        answering = {normalised(passage(one)) for one in answers}
        apart = {
            id_
            for id_ in drawn
            if normalised(topics.texts[id_]) in asked
            or all(normalised(passage(one)) in answering for one in topics.relevant[id_])
        }
        what = f"questions left out for data.apart_from={_listed(settings)}"
        remarks += remark(what, source.code, sorted(apart), len(drawn))
        kept = [id_ for id_ in drawn if id_ not in apart][: settings.max_questions]
        if not kept:
            raise InputError(
                f"{qrels}: data.apart_from={_listed(settings)} leaves out all questions: they or their passages are "
                "among those of these splits; train on another split, data.split="
            )
        for id_ in sorted(kept):
            yield from _question_rows(id_, topics, source.code, settings, passage, answering)


def _lookup(texts: WantedTexts, numbers: IdNumbers, judged: list[Judgement]) -> Callable[[Judgement], str]:
    """The passage of a judgement. Raises InputError for a judgement whose passage the corpus does not have."""
    absent = set(texts.absent().tolist())
    for one, number in zip(judged, numbers.known([one.passage for one in judged]).tolist(), strict=True):
        if number in absent:
            raise InputError(f"{one.place}: names the unknown passage '{one.passage}'")
    return lambda one: texts.at(int(texts.rows(numbers.known([one.passage]))[0]))


def _question_rows(
    id_: str,
    topics: _Topics,
    code: str,
    settings: JudgedData,
    passage: Callable[[Judgement], str],
    answering: set[str],
) -> Iterator[TrainingRow]:
    """A row for each passage that answers one question; the first one has its hard negatives."""
    group = id_ if settings.protocol == "parallel" else f"{code}:{settings.split}:{id_}"
    relevant = [(one, passage(one)) for one in topics.relevant[id_]]
    rejected = [passage(one) for one in topics.rejected.get(id_, ())]
    negatives = tuple(text for text in rejected if normalised(text) not in answering)[: settings.max_negatives]
    for one, text in relevant:
        if normalised(text) not in answering:
            yield TrainingRow(group, code, topics.texts[id_], text, negatives, place=one.place)
            negatives = ()


def _listed(settings: JudgedData) -> str:
    return f"[{','.join(settings.apart_from)}]"
