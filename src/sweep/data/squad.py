"""SQuAD-format corpora such as XQuAD-R and MLQA-R, as training data and as LAReQA benchmarks.

A folder holds one file a language (`sweep.data.language_files`); parallel questions share their id. A question may
have `negatives`, a list of passages in its language that look relevant and are not. A candidate passage is one
sentence; the one where the first answer begins is relevant (LAReQA, arXiv 2004.05484). Or it is a whole paragraph
(`sweep.data.candidates`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.candidates import Sentence, candidates, whole_paragraphs
from sweep.data.corpora import corpus_folder
from sweep.data.document_split import drawn
from sweep.data.language_files import language_files, what_is_there
from sweep.data.qa_format import parsed
from sweep.data.remarks import Remark, remark_lines
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import Corpus, LanguageSettings, SquadData, SquadEvaluation


def squad_languages(
    corpus: Corpus, path: str | None, named: Mapping[str, str] | str | None = None
) -> tuple[str, ...]:
    """Languages of a corpus: its folder's files, of which some may be `named`, or what its origin has. Raises
    InputError."""
    if path is None:
        return tuple(sorted(corpus.languages))
    present = tuple(language_files(Path(path), named))
    if not present:
        raise InputError(
            f"{corpus.name}: no <language>.json in {path} (there: {what_is_there(Path(path))}); name each file after "
            "its language, such as en.json or xquad.en.json, or give it with files={en: FILE}"
        )
    return present


WHOLE = "its files have no sentence_breaks, so each candidate is a whole paragraph; for sentences set"


class _Corpus(NamedTuple):
    """The candidates of each language, and what a reader should know of its files."""

    sentences: dict[str, list[Sentence]]
    remarks: list[Remark]


def _files(
    settings: SquadData | SquadEvaluation, languages: tuple[str, ...] | None, cache: Path, key: str
) -> dict[str, Path]:
    """The file of each given language or of all that there are, downloaded where needed. Raises InputError."""
    folder = corpus_folder(settings.corpus, settings.path, languages or settings.corpus.languages, cache, key)
    available = squad_languages(settings.corpus, settings.path, settings.files)
    files = language_files(folder, settings.files)
    unknown = [code for code in languages or available if code not in files]
    if unknown:
        raise InputError(f"{folder / unknown[0]}.json: no such file; {folder} has: {' '.join(files)}")
    return {code: files[code] for code in languages or available}


def _read(files: dict[str, Path], settings: SquadData | SquadEvaluation, key: str) -> _Corpus:
    """The candidates of all files. `key` is the section of the settings. Raises InputError."""
    contents = {file: parsed(file) for file in files.values()}
    whole = whole_paragraphs(contents, settings, key)
    sentences, remarks = {}, []
    if whole and settings.candidates == "auto":
        remarks.append(Remark(f"{WHOLE} {key}.candidates=sentence"))
    for code, file in files.items():
        sentences[code], of_file = candidates(contents[file], file, code, settings, key, whole)
        remarks += of_file
    return _Corpus(sentences, remarks)


def _title(settings: SquadData | SquadEvaluation, key: str) -> str:
    return f"{key} '{settings.corpus.name}'"


def _kept_questions(sentences: dict[str, list[Sentence]], limit: int | None) -> set[str]:
    """All translation groups, or `limit` of them: the same choice at every run, whatever the file order."""
    ids = {id_ for of_language in sentences.values() for sentence in of_language for id_, _ in sentence.questions}
    return drawn(ids, limit)


def squad_rows(settings: SquadData, languages: tuple[str, ...], cache: Path) -> TrainingRows:
    """A training row for every question and its answer-bearing sentence, in the order of their ids. Raises
    InputError."""
    files = _files(settings, languages, cache, "data")

    def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
        sentences, of_files = _read(files, settings, "data")
        remarks += of_files
        kept = _kept_questions(sentences, settings.max_questions)
        rows = [
            TrainingRow(id_, code, question, sentence.text, negatives, place=f"{files[code]}: question '{id_}'")
            for code in languages
            for sentence in sentences[code]
            for (id_, question), negatives in zip(sentence.questions, sentence.negatives, strict=True)
            if id_ in kept
        ]
        yield from sorted(rows, key=lambda row: row.group)

    return TrainingRows(_title(settings, "data"), tuple(files.values()), read)


def squad_benchmark(settings: SquadEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
    """A LAReQA benchmark. With `max_questions` only the paragraphs of the kept questions are candidates.

    Raises InputError.
    """
    sentences, remarks = _read(_files(settings, languages, cache, "evaluation"), settings, "evaluation")
    if settings.max_paragraphs is not None:
        sentences = _of_paragraphs(sentences, settings.max_paragraphs)
    kept = _kept_questions(sentences, settings.max_questions)
    unit_of = _paragraph_units if settings.unit == "paragraph" else _group_units(sentences)
    questions, passages = [], []
    relevant: dict[str, dict[str, int]] = {}
    for code, of_language in sentences.items():
        paragraphs = {
            sentence.paragraph_place for sentence in of_language if any(id_ in kept for id_, _ in sentence.questions)
        }
        for sentence in of_language:
            if settings.max_questions is not None and sentence.paragraph_place not in paragraphs:
                continue
            id_ = f"{code}:{sentence.place}"
            passages.append(Passage(id_, code, sentence.text, unit_of(sentence)))
            for group, question in sentence.questions:
                if group in kept:
                    questions.append(Question(group, code, question))
                    relevant.setdefault(group, {})[id_] = 1
    notes = remark_lines(_title(settings, "evaluation"), remarks)
    return replace(benchmark(settings.name, tuple(sentences), questions, passages, relevant), notes=notes)


def _of_paragraphs(sentences: dict[str, list[Sentence]], limit: int) -> dict[str, list[Sentence]]:
    """The sentences of so many paragraphs, the same ones in every language."""
    kept = drawn({sentence.paragraph_place for of_language in sentences.values() for sentence in of_language}, limit)
    return {
        code: [sentence for sentence in of_language if sentence.paragraph_place in kept]
        for code, of_language in sentences.items()
    }


def _paragraph_units(sentence: Sentence) -> str:
    return sentence.paragraph_place


def _group_units(sentences: dict[str, list[Sentence]]) -> Callable[[Sentence], str]:
    """Sentences that answer the same question are one unit, and so are those that a shared sentence links; a sentence
    without questions is a unit of its own."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.setdefault(group, group) != group:
            group = parent[group]
        return group

    for sentence in (sentence for of_language in sentences.values() for sentence in of_language):
        for group, _ in sentence.questions:
            parent[root(group)] = root(sentence.questions[0][0])
    return lambda sentence: root(sentence.questions[0][0]) if sentence.questions else ""


class SquadTraining:
    """Reader of `data.kind=squad`."""

    def open(self, settings: SquadData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return squad_rows(settings, languages.train, cache)

    def languages(self, settings: SquadData) -> tuple[str, ...]:
        """Those of the folder or the origin. Raises InputError."""
        return squad_languages(settings.corpus, settings.path)


class SquadBenchmark:
    """Reader of `evaluation.kind=squad`."""

    def load(self, settings: SquadEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return squad_benchmark(settings, languages, cache)

    def languages(self, settings: SquadEvaluation) -> tuple[str, ...]:
        """Those of the folder or the origin. Raises InputError."""
        return squad_languages(settings.corpus, settings.path, settings.files)
