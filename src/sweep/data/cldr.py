"""Embedded data: records of concepts that the Unicode CLDR names in more than 100 languages.

A record is a set of concepts. Its passage in a language lists a term for each of them, its question asks for some; so
records are parallel in all languages by construction. With `relation: places` the question names territories and the
passage places in them ("Kenya, Peru", "Lima, Baku, Nairobi, Riga"), and no comparison of strings finds the one by the
other: a model has to learn from training records which place is in which territory, in each language, and which names
are translations of each other. Evaluation asks for other sets of the same territories.

So it is closed-vocabulary learning of a relation between names, for first runs and tests; no claim about real
retrieval. With `relation: names` question and passage share their names, as in version 0.1: within a script that is
string matching, which needs no training.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.languages import joshi_tiers
from sweep.data.lexicon import Concept, Terms, terms
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import CldrData, CldrEvaluation, LanguageSettings, Tiers

Record = tuple[tuple[Concept, ...], tuple[Concept, ...]]  # concepts of the passage, concepts of the question

PATIENCE = 1_000  # records drawn in vain before there are taken to be no more
EVALUATION_SHARE = 0.2  # of all possible passages, and of all possible questions; the others are for training


def _shared_terms(settings: CldrData | CldrEvaluation, languages: tuple[str, ...]) -> dict[Concept, Terms]:
    """The terms of concepts that have one in every language, in a fixed order. Raises InputError."""
    shared = terms(settings.relation, languages)
    if len(shared) < 10 * settings.concepts_per_passage:
        raise InputError(
            f"only {len(shared)} concepts have a name in all of {' '.join(languages)}; choose fewer languages"
        )
    return shared


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


def _ordered(concepts: tuple[Concept, ...], language: str, salt: str) -> list[Concept]:
    """In an order of that language's own, so that positions tell nothing across languages."""

    def order(concept: Concept) -> bytes:
        return hashlib.sha256(repr((concept, language, salt)).encode()).digest()

    return sorted(concepts, key=order)


def _texts(record: Record, named: Mapping[Concept, Terms], code: str, salt: str) -> tuple[str, str]:
    """Question and passage of a record in a language."""
    passage, asked = record
    question = [named[concept][code].question for concept in _ordered(asked, code, f"q{salt}")]
    return ", ".join(question), ", ".join(
        named[concept][code].passage for concept in _ordered(passage, code, f"p{salt}")
    )


def cldr_rows(settings: CldrData, languages: tuple[str, ...], tiers: Tiers) -> TrainingRows:
    """Training records; record i exists in a language if the language's tier has more than i records.

    Raises InputError for an unknown language or one without a tier.
    """
    named = _shared_terms(settings, languages)
    counts = {}
    for code in languages:
        tier = tiers.of(code)
        if tier is None:
            raise InputError(
                f"data=cldr needs the tier of '{code}' for its number of records; add it to languages.tiers"
            )
        counts[code] = getattr(settings.records, tier)
    drawn = draw_records(
        list(named),
        settings.concepts_per_passage,
        settings.concepts_per_question,
        settings.seed,
        evaluation=False,
    )
    rows = [
        TrainingRow(f"r{number}", code, *_texts(record, named, code, str(number)))
        for number, record in zip(range(max(counts.values())), drawn, strict=False)
        for code in languages
        if number < counts[code]
    ]
    return TrainingRows("data 'cldr'", (), lambda remarks: iter(rows))


def _unambiguous(drawn: Iterator[Record], size: int) -> list[Record]:
    """So many records, no question of which is answered by the passage of another. Raises InputError."""
    records: list[Record] = []
    refused = 0  # since the last that was kept
    while len(records) < size:
        passage, asked = next(drawn)
        if any(set(asked) <= set(other) or set(also) <= set(passage) for other, also in records):
            refused += 1
            if refused == PATIENCE:
                raise InputError(
                    f"evaluation.records={size}: there are hardly more than {len(records)} unambiguous ones"
                )
        else:
            records.append((passage, asked))
            refused = 0
    return records


def cldr_benchmark(settings: CldrEvaluation, languages: tuple[str, ...]) -> Benchmark:
    """Evaluation records, each with its passage and its question in every language. Raises InputError."""
    named = _shared_terms(settings, languages)
    drawn = draw_records(
        list(named),
        settings.concepts_per_passage,
        settings.concepts_per_question,
        settings.seed,
        evaluation=True,
    )
    questions, passages, relevant = [], [], {}
    for number, record in enumerate(_unambiguous(drawn, settings.records)):
        group = f"e{number:05d}"
        relevant[group] = {f"{group}:{code}": 1 for code in languages}
        for code in languages:
            question, text = _texts(record, named, code, group)
            questions.append(Question(group, code, question))
            passages.append(Passage(f"{group}:{code}", code, text, unit=group))
    return benchmark(settings.name, languages, questions, passages, relevant)


class CldrTraining:
    """Reader of `data.kind=cldr`."""

    def open(self, settings: CldrData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """Records drawn anew; nothing is read or kept. Raises InputError."""
        return cldr_rows(settings, languages.train, languages.tiers or joshi_tiers(languages.train))

    def languages(self, settings: CldrData) -> tuple[str, ...] | None:
        """Any that CLDR names can be asked for."""
        return None


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
