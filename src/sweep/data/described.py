"""Training data and benchmarks as records of a study: what they are, where they are from, and what they hold."""

import hashlib
from collections.abc import Sequence

import numpy as np

from sweep.data.benchmark import Benchmark
from sweep.data.bilingual import load_lexicon
from sweep.data.fingerprints import benchmark_fingerprint, data_fingerprint, data_size
from sweep.data.training_set import TrainingSet
from sweep.data.translated_words import Lexicon
from sweep.records.data_record import DataRecord
from sweep.settings import Corpus, EvaluationSettings, LanguageSettings, MixData, RowsData, Section, Settings
from sweep.settings.secrets import without_passwords

EMBEDDED = "embedded"


def data_records(
    settings: Settings, training: TrainingSet, benchmarks: Sequence[Benchmark]
) -> tuple[DataRecord, ...]:
    """The record of the training data, those of the benchmarks, in the order of `settings.evaluations`, and that of
    the lexicon, if words are switched. Raises InputError for a lexicon that cannot be read."""
    evaluated = (
        benchmark_record(evaluation, settings.languages, benchmark)
        for evaluation, benchmark in zip(settings.evaluations, benchmarks, strict=True)
    )
    lexicon = load_lexicon(settings)
    return training_record(settings, training), *evaluated, *([] if lexicon is None else [_record(settings, lexicon)])


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


def _record(settings: Settings, lexicon: Lexicon) -> DataRecord:
    folder = settings.ratio.code_switch.lexicon
    own = (settings.data.fingerprint(),) if folder is None else ()  # one that is a part of the data
    return DataRecord(
        "lexicon",
        "lexicon",
        EMBEDDED if folder is None else without_passwords(folder),
        lexicon.languages,
        lexicon.words("query"),
        lexicon.words("passage") if settings.ratio.code_switch.texts == "both" else 0,
        lexicon.digest,
        _digest("lexicon", folder, lexicon.languages, settings.ratio.code_switch.texts, *own),
    )


def source_of(settings: Section) -> str:
    """Where data are from: the path as it is given, or else the data set of the hub, or the origin of the corpus; of
    a mix those of all sources with their names."""
    if isinstance(settings, MixData):
        return "; ".join(f"{name}: {source_of(source)}" for name, source in settings.sources.items())
    if isinstance(settings, RowsData) and settings.repository is not None:
        return _on_hub(settings.repository, str(settings.revision))
    path, corpus = getattr(settings, "path", None), getattr(settings, "corpus", None)
    if path is not None:
        return without_passwords(str(path))
    if not isinstance(corpus, Corpus) or corpus.origin is None:
        return EMBEDDED
    if corpus.origin.kind != "hub":
        return without_passwords(corpus.origin.url)
    return ", ".join(_on_hub(each.repository, each.revision) for each in corpus.origin.repositories)


def _on_hub(repository: str, revision: str) -> str:
    return f"{repository}@{revision[:12]}"


def _name(settings: Section) -> str:
    corpus = getattr(settings, "corpus", None)
    return corpus.name if isinstance(corpus, Corpus) else str(getattr(settings, "kind", EMBEDDED))


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
