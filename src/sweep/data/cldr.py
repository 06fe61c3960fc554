"""Embedded data: records of concepts that the Unicode CLDR names in more than 100 languages.

A record is a set of concepts (territories, currencies, languages, months, weekdays). Its passage in a language
lists all of their names in that language, its question some of them; so records are parallel in all languages by
construction. Names come with Babel: no download. Meant for first runs and tests; no claim about real retrieval.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from babel import Locale, localedata
from babel.core import get_global

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.languages import joshi_tiers
from sweep.data.training_set import TrainingRow, TrainingSet, training_set
from sweep.errors import InputError
from sweep.settings import CldrData, CldrEvaluation, LanguageSettings, Tiers

Concept = tuple[str, str]
Record = tuple[tuple[Concept, ...], tuple[Concept, ...]]  # concepts of the passage, concepts of the question

MIN_CONCEPTS = 250  # a language with fewer names of its own is not offered
EVALUATION_SHARE = 0.2  # of all possible passages, and of all possible questions; the others are for training


@cache
def available_languages() -> tuple[str, ...]:
    """Languages with enough concept names of their own, by ISO 639 code."""
    return tuple(sorted(filter(_is_available, localedata.locale_identifiers())))


@cache
def _is_available(code: str) -> bool:
    aliases = get_global("parent_exceptions")  # such a locale repeats another language's names
    known = "_" not in code and code not in aliases and localedata.exists(code)
    return known and len(concept_names(code)) >= MIN_CONCEPTS


@cache
def concept_names(language: str) -> dict[Concept, str]:
    """Names of concepts in one language, without those that fall back to English or to a raw id."""
    names = _all_names(language)
    english = _all_names("en")
    return {
        concept: name
        for concept, name in names.items()
        if concept in english
        and name != concept[1]
        and (language == "en" or name.casefold() != english[concept].casefold())
    }


def _all_names(language: str) -> dict[Concept, str]:
    locale = Locale.parse(language)
    kinds = {
        "territory": locale.territories,
        "currency": locale.currencies,
        "language": locale.languages,
        "month": locale.months["format"]["wide"],
        "weekday": locale.days["format"]["wide"],
    }
    return {
        (kind, str(key)): name
        for kind, entries in kinds.items()
        for key, name in entries.items()
        # Variants such as "English (Australia)" repeat another concept's name.
        if isinstance(name, str) and "_" not in str(key) and "(" not in name
    }


def check_languages(languages: tuple[str, ...]) -> None:
    """Raise InputError for a language whose names CLDR lacks."""
    unknown = [code for code in languages if not _is_available(code)]  # asking for the whole list takes seconds
    if unknown:
        raise InputError(
            f"data=cldr has no language '{unknown[0]}' (no such code, or too few names of its own); "
            f"the {len(available_languages())} available ones: {' '.join(available_languages())}"
        )


def _shared_concepts(languages: tuple[str, ...], per_passage: int) -> list[Concept]:
    """Concepts named in every one of the languages, in a fixed order."""
    check_languages(languages)
    shared = set.intersection(*(set(concept_names(code)) for code in languages))
    if len(shared) < 10 * per_passage:
        raise InputError(
            f"only {len(shared)} concepts have a name in all of {' '.join(languages)}; choose fewer languages"
        )
    return sorted(shared)


def _for_evaluation(concepts: tuple[Concept, ...]) -> bool:
    """Which side of the split a passage or a question is on: a pure function of its concepts, whatever drew it."""
    digest = hashlib.sha256(repr(sorted(concepts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") < EVALUATION_SHARE * 2**64


def draw_records(
    concepts: list[Concept], per_passage: int, per_question: int, seed: int, evaluation: bool
) -> Iterator[Record]:
    """An endless, repeatable sequence of distinct records whose passage and question are on one side of the split."""
    rng = np.random.default_rng([seed, int(evaluation)])
    seen: set[tuple[Concept, ...]] = set()
    while True:
        picked = sorted(rng.choice(len(concepts), per_passage, replace=False))
        passage = tuple(concepts[index] for index in picked)
        asked = tuple(passage[index] for index in sorted(rng.choice(per_passage, per_question, replace=False)))
        if passage not in seen and all(_for_evaluation(part) == evaluation for part in (passage, asked)):
            seen.add(passage)
            yield passage, asked


def _listed(concepts: tuple[Concept, ...], language: str, salt: str) -> str:
    """Names in a language, in an order of that language's own, so that positions tell nothing across languages."""

    def order(concept: Concept) -> bytes:
        return hashlib.sha256(repr((concept, language, salt)).encode()).digest()

    return ", ".join(concept_names(language)[concept] for concept in sorted(concepts, key=order))


def cldr_training_set(settings: CldrData, languages: tuple[str, ...], tiers: Tiers) -> TrainingSet:
    """Training records; record i exists in a language if the language's tier has more than i records.

    Raises InputError for an unknown language or one without a tier.
    """
    concepts = _shared_concepts(languages, settings.concepts_per_passage)
    counts = {}
    for code in languages:
        tier = tiers.of(code)
        if tier is None:
            raise InputError(
                f"data=cldr needs the tier of '{code}' for its number of records; add it to languages.tiers"
            )
        counts[code] = getattr(settings.records, tier)
    drawn = draw_records(
        concepts,
        settings.concepts_per_passage,
        settings.concepts_per_question,
        settings.seed,
        evaluation=False,
    )
    rows = [
        TrainingRow(f"r{number}", code, _listed(asked, code, f"q{number}"), _listed(passage, code, f"p{number}"))
        for number, (passage, asked) in zip(range(max(counts.values())), drawn, strict=False)
        for code in languages
        if number < counts[code]
    ]
    return training_set(rows, languages)


def cldr_benchmark(settings: CldrEvaluation, languages: tuple[str, ...]) -> Benchmark:
    """Evaluation records, each with its passage and its question in every language. Raises InputError."""
    concepts = _shared_concepts(languages, settings.concepts_per_passage)
    drawn = draw_records(
        concepts,
        settings.concepts_per_passage,
        settings.concepts_per_question,
        settings.seed,
        evaluation=True,
    )
    records: list[Record] = []
    for passage, asked in drawn:
        if len(records) == settings.records:
            break
        # A question that another passage answers too would have an unmarked relevant passage.
        if not any(set(asked) <= set(other) or set(also) <= set(passage) for other, also in records):
            records.append((passage, asked))
    questions, passages, relevant = [], [], {}
    for number, (passage, asked) in enumerate(records):
        group = f"e{number:05d}"
        relevant[group] = {f"{group}:{code}": 1 for code in languages}
        for code in languages:
            questions.append(Question(group, code, _listed(asked, code, f"q{group}")))
            passages.append(Passage(f"{group}:{code}", code, _listed(passage, code, f"p{group}"), unit=group))
    return benchmark(settings.name, languages, questions, passages, relevant)


class CldrTraining:
    """Reader of `data.kind=cldr`."""

    def load(self, settings: CldrData, languages: LanguageSettings, cache: Path) -> TrainingSet:
        """Records drawn anew; nothing is read or kept. Raises InputError."""
        return cldr_training_set(settings, languages.train, languages.tiers or joshi_tiers(languages.train))


class CldrBenchmark:
    """Reader of `evaluation.kind=cldr`."""

    def load(self, settings: CldrEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """Records drawn anew; nothing is read or kept. Raises InputError, also if no languages are given."""
        if not languages:
            raise InputError(
                "evaluation=cldr needs its languages: choose languages=cldr_14 or set languages.evaluate"
            )
        return cldr_benchmark(settings, languages)

    def languages(self, settings: CldrEvaluation) -> tuple[str, ...]:
        """None of its own: any that CLDR names can be chosen."""
        return ()
