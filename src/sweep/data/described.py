"""Training data and benchmarks as records of a study: what they are, where they are from, and what they hold."""

import hashlib
from collections.abc import Sequence

import numpy as np

from sweep.data.benchmark import Benchmark
from sweep.data.fingerprints import benchmark_fingerprint, data_fingerprint, data_size
from sweep.data.training_set import TrainingSet
from sweep.records.data_record import DataRecord
from sweep.settings import Corpus, EvaluationSettings, LanguageSettings, Section, Settings
from sweep.settings.secrets import without_passwords

EMBEDDED = "embedded"


def data_records(
    settings: Settings, training: TrainingSet, benchmarks: Sequence[Benchmark]
) -> tuple[DataRecord, ...]:
    """The record of the training data, and those of the benchmarks, in the order of `settings.evaluations`."""
    evaluated = (
        benchmark_record(evaluation, settings.languages, benchmark)
        for evaluation, benchmark in zip(settings.evaluations, benchmarks, strict=True)
    )
    return training_record(settings, training), *evaluated


def training_record(settings: Settings, training: TrainingSet) -> DataRecord:
    """Of all training data, with the groups that will be held out."""
    questions, passages = data_size(training)
    languages = settings.languages
    return DataRecord(
        "training",
        _name(settings.data),
        source_of(settings.data),
        training.languages,
        questions,
        passages,
        data_fingerprint(training),
        _digest(settings.data.fingerprint(), languages.train, languages.tiers),
    )


def benchmark_record(evaluation: EvaluationSettings, languages: LanguageSettings, benchmark: Benchmark) -> DataRecord:
    """Of one benchmark."""
    return DataRecord(
        "evaluation",
        evaluation.name,
        source_of(evaluation),
        benchmark.languages,
        len(benchmark.questions),
        int(np.count_nonzero(benchmark.candidate_d)),
        benchmark_fingerprint(benchmark),
        _digest(evaluation.fingerprint(), languages.evaluate),
    )


def source_of(settings: Section) -> str:
    """Where data are from: the path as it is given, or else the origin of the corpus."""
    path, corpus = getattr(settings, "path", None), getattr(settings, "corpus", None)
    if path is not None:
        return without_passwords(str(path))
    if not isinstance(corpus, Corpus) or corpus.origin is None:
        return EMBEDDED
    if corpus.origin.kind != "hub":
        return without_passwords(corpus.origin.url)
    return ", ".join(f"{each.repository}@{each.revision[:12]}" for each in corpus.origin.repositories)


def _name(settings: Section) -> str:
    corpus = getattr(settings, "corpus", None)
    return corpus.name if isinstance(corpus, Corpus) else str(getattr(settings, "kind", EMBEDDED))


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
