"""Words of a text that give way to their translations in other languages: code-switching by a bilingual lexicon.

A word is a run of letters, marks and digits; an entry of a lexicon may have several, with what is between them. From
left to right the longest entry at each word counts. A language that is written without spaces has runs of many words
between two punctuation marks, of which only a whole one is looked up.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np

from sweep.data.leakage import normalised

Entries = Mapping[str, Mapping[str, tuple[str, ...]]]  # normalised word -> language -> its translations, sorted
Role = Literal["query", "passage"]


class Span(NamedTuple):
    """Where something begins and ends in a text."""

    start: int
    end: int


class Switched(NamedTuple):
    """A text with some of its words in other languages; how many words it had, and how many of them gave way."""

    text: str
    words: int
    switched: int


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The translations of words of each language into the others, for questions and for passages, which may call
    things differently. `digest` is the SHA-256 (hex) of all of them."""

    languages: tuple[str, ...]
    of_questions: Mapping[str, Entries]
    of_passages: Mapping[str, Entries]
    digest: str

    def of(self, role: Role, language: str) -> Entries:
        """The entries for the texts of a role in a language; none for one that the lexicon lacks."""
        return (self.of_questions if role == "query" else self.of_passages).get(language, {})

    def words(self, role: Role) -> int:
        """How many words of the texts of a role it has, in all languages."""
        return sum(len(self.of(role, language)) for language in self.languages)


def entries_of(pairs: Iterable[tuple[str, str, str, str]]) -> dict[str, dict[str, dict[str, tuple[str, ...]]]]:
    """Entries by language, of (language, word, other language, translation). A translation that is the word itself is
    none."""
    known: dict[str, dict[str, dict[str, set[str]]]] = {}
    for language, word, other, translation in pairs:
        key = normalised(word)
        if key and key != normalised(translation) and language != other:
            known.setdefault(language, {}).setdefault(key, {}).setdefault(other, set()).add(translation)
    return {
        language: {
            key: {other: tuple(sorted(translations)) for other, translations in sorted(others.items())}
            for key, others in sorted(words.items())
        }
        for language, words in known.items()
    }


def _is_of_a_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "Cf"  # joiners are within words of some scripts


def word_spans(text: str) -> list[Span]:
    """Where the words of a text are."""
    spans, place = [], 0
    for is_word, characters in groupby(text, _is_of_a_word):
        size = len(list(characters))
        if is_word:
            spans.append(Span(place, place + size))
        place += size
    return spans


def longest_of(entries: Entries) -> int:
    """How many words the longest entry has."""
    return max((len(word_spans(word)) for word in entries), default=0)


def switch_words(text: str, entries: Entries, longest: int, probability: float, rng: np.random.Generator) -> Switched:
    """The text, each of whose entries gives way with this probability, to a translation that is drawn of a language
    that is drawn. Whatever the probability is, each entry takes three numbers of the generator: a word that gives way
    does so at any higher probability, too, and to the same one."""
    spans = word_spans(text)
    parts: list[str] = []
    done = place = switched = 0
    while place < len(spans):
        size = _entry_at(text, spans, place, entries, longest)
        if size:
            start, end = spans[place].start, spans[place + size - 1].end
            gives_way, which_language, which_translation = rng.random(3)
            if gives_way < probability:
                others = list(entries[normalised(text[start:end])].values())
                translations = others[int(which_language * len(others))]
                parts += [text[done:start], translations[int(which_translation * len(translations))]]
                done, switched = end, switched + size
        place += size or 1
    return Switched("".join([*parts, text[done:]]), len(spans), switched)


def _entry_at(text: str, spans: list[Span], place: int, entries: Entries, longest: int) -> int:
    """How many words the longest entry that begins at a word has; 0 if none does."""
    for size in range(min(longest, len(spans) - place), 0, -1):
        if normalised(text[spans[place].start : spans[place + size - 1].end]) in entries:
            return size
    return 0
