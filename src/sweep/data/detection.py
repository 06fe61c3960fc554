"""Whether texts are in the language that the data says, by a detector that comes with its model (py3langid).

It was chosen on the 63 languages of NTREX-128 and on questions of XQuAD and AfriQA: see docs/data.md. A language that
it does not know is not checked, and is named as such.
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from sweep.data.training_row import TrainingRow
from sweep.settings.inspection import DetectionSettings
from sweep.settings.language import language_name

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LONGEST = 1000  # characters of a text that are looked at
NO_LANGUAGE = ("zxx", "und")  # numbers or markup, and what the detector is not sure of
FEWEST = 10  # decided texts: fewer are no evidence against a language
_SHOWN = 3  # other languages that are named
# What the detector knows by a name of its own, within a language of the same script that it is part of.
_WITHIN = {"wuu": "zh", "yue": "zh", "nb": "no", "nn": "no", "ary": "ar", "arz": "ar", "uzs": "uz"}


@dataclass(frozen=True)
class Example:
    """A text in another language than the data says, and where it stands."""

    place: str
    text: str
    detected: str


@dataclass(frozen=True)
class LanguageCheck:
    """A language's texts: how many were looked at, of how many the detector was sure, how many of these are in other
    languages, the most frequent of them, and the example that it is surest of. `known`: whether the detector knows
    the language at all; if not, all else is 0."""

    language: str
    known: bool
    texts: int = 0
    decided: int = 0
    others: int = 0
    commonest: tuple[tuple[str, int], ...] = ()
    example: Example | None = None
    suspicious: bool = False


@dataclass(frozen=True, order=True)
class _Kept:
    rank: int  # negative, as a heap has its smallest first
    text: str
    place: str


class LanguageSample:
    """Keeps some distinct texts of each language: those whose hashes are smallest, in whatever order they come."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._key = settings.seed.to_bytes(16, "little")
        self._kept: dict[str, list[_Kept]] = {}
        self._ranks: dict[str, set[int]] = {}

    def add(self, rows: Sequence[TrainingRow]) -> None:
        """Draw from some rows."""
        texts: dict[tuple[str, str], str] = {}
        for row in rows:
            texts.setdefault((row.language, row.question), row.place)
            texts.setdefault((row.passage_language or row.language, row.passage), row.place)
        for (language, text), place in texts.items():
            kept, ranks = self._kept.setdefault(language, []), self._ranks.setdefault(language, set())
            if len(text) < self._settings.shortest:
                continue
            digest = blake2b(text.encode("utf-8", "replace"), digest_size=8, key=self._key).digest()
            rank = -int.from_bytes(digest, "little")
            if rank in ranks or (len(kept) == self._settings.sample and rank < kept[0].rank):
                continue
            ranks.add(rank)
            heapq.heappush(kept, _Kept(rank, text[:LONGEST], place))
            if len(kept) > self._settings.sample:
                ranks.remove(heapq.heappop(kept).rank)

    def check(self) -> tuple[LanguageCheck, ...]:
        """What the detector makes of the texts of each language, in order of the codes."""
        detector = _detector()
        known = {_spoken(label) for label in detector.labels}
        return tuple(
            _checked(language, sorted(kept, reverse=True), detector, self._settings)
            if _spoken(language) in known
            else LanguageCheck(language, known=False)
            for language, kept in sorted(self._kept.items())
        )


@cache
def _detector() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # half a second, and a model of 5 MB

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _checked(
    language: str, kept: list[_Kept], detector: "LanguageIdentifier", settings: DetectionSettings
) -> LanguageCheck:
    decided, others, example, surest = 0, Counter[str](), None, 0.0
    for one in kept:
        label, confidence = detector.classify(one.text)
        if confidence < settings.confidence or label in NO_LANGUAGE:
            continue
        decided += 1
        detected = _spoken(label)
        if detected != _spoken(language):
            others[detected] += 1
            if confidence > surest:
                surest, example = float(confidence), Example(one.place, one.text, detected)
    suspicious = decided >= FEWEST and others.total() > settings.suspicious * decided
    commonest = tuple(others.most_common(_SHOWN))
    return LanguageCheck(language, True, len(kept), decided, others.total(), commonest, example, suspicious)


def _spoken(label: str) -> str:
    """The language that a name is for, whatever its script and territory."""
    try:
        code = language_name(label).split("_")[0]
    except ValueError:
        return label
    return _WITHIN.get(code, code)
