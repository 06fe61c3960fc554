"""Bitext as training data: a sentence and its translation, or a sentence and the next one of its document.

A translation group is a line of parallel files (`sweep.data.parallel_files`) or a unit of a translation memory
(`sweep.data.tmx`). All questions of a group are answered by all its passages, so a group of translations has each
language in one role alone, by a hash of both: half of its languages ask, half answer. No row then has a sentence as
its own passage; none is monolingual, and over many lines every ordered pair of languages occurs as often. A group of
neighbours has the sentence as its question and the next one as its passage in every language.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.data.corpora import corpus_folder
from sweep.data.document_split import is_for_training
from sweep.data.leakage import normalised
from sweep.data.parallel_files import no_files, parallel_files, parallel_sets
from sweep.data.parallel_lines import Source, Unit, line_source
from sweep.data.remarks import Remark
from sweep.data.tmx import tmx_files, tmx_source
from sweep.data.training_row import LanguagesLacking, TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import BitextData, LanguageSettings
from sweep.settings.wording import listed

BLANK = "lines or units that are blank in the language or lack it, left out of it"


class BitextTraining:
    """Reader of `data.kind=bitext`."""

    def languages(self, settings: BitextData) -> tuple[str, ...] | None:
        """Those of the files' names, or of the origin; None if only the files say. Raises InputError."""
        if settings.path is None:
            return settings.corpus.languages
        sources = _sources(Path(settings.path), settings)
        if not all(source.by_language for source in sources):
            return None
        return tuple(sorted({code for source in sources for code in source.by_language}))

    def open(self, settings: BitextData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's folder or the corpus' origin. Raises InputError."""
        every = settings.train_share < 1  # languages: see `_held_out_texts`
        wanted = settings.corpus.languages if every else languages.train
        folder = corpus_folder(settings.corpus, settings.path, wanted, cache, "data")
        sources = _sources(folder, settings)
        _check_languages(folder, sources, languages.train)

        def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
            reading = _Reading(settings, sources, languages.train)
            yield from reading.rows()
            remarks += reading.remarks()
            reading.check()

        files = tuple(chain.from_iterable(source.files(None if every else languages.train) for source in sources))
        return TrainingRows(f"data '{settings.corpus.name}'", files, read)


def _sources(folder: Path, settings: BitextData) -> list[Source]:
    """What a folder holds, in one format. Raises InputError."""
    needed = settings.pairs == "neighbour" or settings.train_share < 1
    memories = tmx_files(folder)
    if memories and (beside := parallel_sets(folder)):
        first = next(iter(beside[0].files.values()))
        raise InputError(
            f"{folder}: has translation memories ({memories[0].name}) and files of lines ({first.name}); leave one "
            "kind there"
        )
    lines = [] if memories else parallel_files(folder, settings.documents)
    if not memories and not lines:
        raise InputError(no_files(folder))
    if not needed or settings.documents is None:
        return [*map(tmx_source, memories), *(line_source(one, with_documents=False) for one in lines)]
    nameless = [*memories, *(next(iter(one.files.values())) for one in lines if one.documents is None)]
    if nameless:
        translations = settings.pairs == "translation"
        why = f"data.train_share={settings.train_share:g}" if translations else "data.pairs=neighbour"
        other = "" if translations else ", or pair translations with data.pairs=translation and ratio=crosslingual"
        raise InputError(
            f"{nameless[0]}: the documents of its lines are not known, which {why} needs: there is no "
            f"{settings.documents} with a name a line beside it; take each file as one document with "
            f"data.documents=null{other}"
        )
    return [line_source(one, with_documents=True) for one in lines]


def _check_languages(folder: Path, sources: list[Source], wanted: tuple[str, ...]) -> None:
    """Raise InputError for a language that no file is in, if the files' names tell."""
    known = {code for source in sources for code in source.by_language}
    unknown = [code for code in wanted if code not in known]
    if unknown and all(source.by_language for source in sources):
        raise InputError(f"{folder}: has no file of the language '{unknown[0]}'; it has: {' '.join(sorted(known))}")


@dataclass
class _Reading:
    """One reading of all sources, and what it counts."""

    settings: BitextData
    sources: list[Source]
    languages: tuple[str, ...]
    units: int = 0
    groups: int = 0
    alone: int = 0
    held_out: int = 0
    shared: int = 0
    of_language: Counter[str] = field(default_factory=Counter)
    blank: Counter[str] = field(default_factory=Counter)
    first_blank: dict[str, str] = field(default_factory=dict)

    def rows(self) -> Iterator[TrainingRow]:
        held_out = self._held_out_texts()
        for source in self.sources:
            codes = [code for code in self.languages if code in (source.by_language or self.languages)]
            for name, asked, answered in self._groups(source, codes):
                if len(held_out) and _has_any(held_out, (*asked.texts.values(), *answered.texts.values())):
                    self.shared += 1
                    continue
                self.groups += 1
                yield from _rows(name, asked, answered)

    def _groups(self, source: Source, codes: list[str]) -> Iterator[tuple[str, Unit, Unit]]:
        """The name of each group, and its questions and passages, with those languages alone that the group has."""
        begin = f"{self.settings.corpus.name}:{source.name}:" if source.name else f"{self.settings.corpus.name}:"
        previous = None
        for unit in source.read(codes):
            training = is_for_training(unit.document, self.settings.train_share)
            self._count(unit, codes, training)
            if self.settings.pairs == "translation":
                asked, answered = (unit, unit) if training else (None, None)
            else:
                asked, answered = previous, unit
                previous = unit if training else None
            if asked is None or answered is None or asked.document != answered.document:
                continue
            divide = _roles if asked is answered else _both
            questions, passages = divide(begin, asked, answered)
            if questions and passages:
                yield f"{begin}{asked.number}", _only(asked, questions), _only(answered, passages)
            else:
                self.alone += 1

    def _count(self, unit: Unit, codes: list[str], training: bool) -> None:
        self.units += 1
        self.held_out += not training
        for code in codes:
            self.of_language[code] += 1
            if code not in unit.texts:
                self.blank[code] += 1
                self.first_blank.setdefault(code, unit.places[code])

    def _held_out_texts(self) -> NDArray[np.uint64]:
        """Keys of the texts of documents that are not for training, sorted: a sentence that both kinds of documents
        have must not be trained on. In all languages, so that the training data is the same whatever is evaluated
        on."""
        keys = array("Q")  # 8 bytes a text; in a set it would be about 100
        for source in self.sources if self.settings.train_share < 1 else ():
            for unit in source.read(None):
                if not is_for_training(unit.document, self.settings.train_share):
                    keys.extend(_keys(unit.texts.values()))
        held_out = np.asarray(keys)
        held_out.sort()
        return held_out

    def check(self) -> None:
        """Raise InputError if there was nothing to train on, and LanguagesLacking for languages without a text."""
        files = ", ".join(str(source.files(None)[0]) for source in self.sources[:3])
        absent = [code for code in self.languages if self.of_language[code] == self.blank[code]]
        if absent and self.units:
            raise LanguagesLacking(
                f"{files}: no line or unit has a text in {listed(absent)}; remove it from languages.train"
            )
        if not self.groups:
            what = "two languages" if self.settings.pairs == "translation" else "a next one in its document"
            raise InputError(
                f"{files}: of {self.units:,} lines or units none can be trained on: {self.held_out:,} are held out "
                f"(data.train_share={self.settings.train_share:g}), and no other has {what} in languages.train"
            )

    def remarks(self) -> list[Remark]:
        """What is no error and should be known."""
        counted = [
            Remark(BLANK, code, f"{self.blank[code]:,} of {self.of_language[code]:,}", self.first_blank[code])
            for code in self.languages
            if self.blank[code]
        ]
        if self.held_out:
            counted.append(Remark(f"{self.held_out:,} of {self.units:,} lines are in documents that are held out"))
        if self.shared:
            counted.append(Remark(f"{self.shared:,} groups with a text that held-out documents have are left out"))
        if self.alone:
            counted.append(Remark(f"{self.alone:,} of {self.units:,} lines or units have too few languages"))
        return counted


def _both(begin: str, asked: Unit, answered: Unit) -> tuple[list[str], list[str]]:
    """Every language that has the sentence and the next one asks and answers."""
    codes = [code for code in asked.texts if code in answered.texts]
    return codes, codes


def _roles(begin: str, asked: Unit, answered: Unit) -> tuple[list[str], list[str]]:
    """The languages that ask and those that answer: halves, drawn by a hash; the larger one by another."""

    def key(code: str) -> bytes:
        return hashlib.sha256(f"{begin}{asked.number} {code}".encode()).digest()

    codes = sorted(asked.texts, key=key)
    half = (len(codes) + key("")[0] % 2) // 2
    return codes[:half], codes[half:]


def _only(unit: Unit, codes: Collection[str]) -> Unit:
    return unit._replace(texts={code: unit.texts[code] for code in codes})


def _rows(group: str, asked: Unit, answered: Unit) -> Iterator[TrainingRow]:
    """As few rows as have every question and every passage of a group."""
    asking, answering = list(asked.texts), list(answered.texts)
    for number in range(max(len(asking), len(answering))):
        question = asking[min(number, len(asking) - 1)]
        passage = answering[min(number, len(answering) - 1)]
        yield TrainingRow(
            group,
            question,
            asked.texts[question],
            answered.texts[passage],
            passage_language=passage,
            place=asked.places[question],
        )


def _has_any(held_out: NDArray[np.uint64], texts: Collection[str]) -> bool:
    """Whether the key of one of the texts is among sorted ones."""
    wanted = np.fromiter(_keys(texts), np.uint64)
    return bool((held_out.take(held_out.searchsorted(wanted), mode="clip") == wanted).any())


def _keys(texts: Collection[str]) -> Iterator[int]:
    """64 bits of each text as the benchmark's texts are compared."""
    for text in texts:
        digest = hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        yield int.from_bytes(digest, "big")
