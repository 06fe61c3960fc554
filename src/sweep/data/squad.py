"""SQuAD-format corpora with sentence boundaries: XQuAD-R and MLQA-R, as training data and as LAReQA benchmarks.

A folder holds one `<language>.json` a language; parallel questions share their id. A question may have `negatives`,
a list of passages in its language that look relevant and are not. A candidate passage is one
sentence (`sentence_breaks`, [start, end) offsets in `context`); the one with the start of the first answer is
relevant (LAReQA, arXiv 2004.05484).
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.corpora import corpus_folder
from sweep.data.training_set import TrainingRow, TrainingSet, training_set
from sweep.errors import InputError
from sweep.settings import Corpus, LanguageSettings, SquadData, SquadEvaluation


class _Answer(BaseModel):
    answer_start: Annotated[int, Field(ge=0)]


class _Qa(BaseModel):
    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    answers: Annotated[list[_Answer], Field(min_length=1)]
    negatives: list[Annotated[str, Field(min_length=1)]] = []


class _Paragraph(BaseModel):
    context: str
    qas: list[_Qa]
    sentence_breaks: list[tuple[int, int]]


class _Article(BaseModel):
    paragraphs: list[_Paragraph]


class _File(BaseModel):
    data: list[_Article]


class Sentence(NamedTuple):
    """A candidate: its place in the file, its text (with context if asked for), and the questions it answers."""

    article: int
    paragraph: int
    sentence: int
    text: str
    questions: tuple[tuple[str, str], ...]  # (id, question)
    negatives: tuple[tuple[str, ...], ...]  # hard negatives of each of these

    @property
    def place(self) -> str:
        """Sorts as the file does."""
        return f"{self.article:05d}.{self.paragraph:04d}.{self.sentence:04d}"

    @property
    def paragraph_place(self) -> str:
        """The paragraph's place, the same in all languages of a parallel corpus."""
        return f"{self.article:05d}.{self.paragraph:04d}"


def read_sentences(file: Path, context: bool) -> list[Sentence]:
    """All candidates of one language's file. Raises InputError naming the file and what is wrong in it."""
    parsed = _parse(file)
    seen: set[str] = set()
    sentences: list[Sentence] = []
    for article_index, article in enumerate(parsed.data):
        for paragraph_index, paragraph in enumerate(article.paragraphs):
            for question in paragraph.qas:
                if question.id in seen:
                    raise InputError(f"{file}: question id '{question.id}' occurs twice")
                seen.add(question.id)
            place = f"article {article_index + 1}, paragraph {paragraph_index + 1}"
            for sentence_index, (text, asked) in enumerate(_split(paragraph, context, f"{file}: {place}", file)):
                questions = tuple((question.id, question.question) for question in asked)
                negatives = tuple(tuple(question.negatives) for question in asked)
                sentences.append(Sentence(article_index, paragraph_index, sentence_index, text, questions, negatives))
    return sentences


def _parse(file: Path) -> _File:
    try:
        return _File.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; the folder needs one <language>.json for each language") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        raise InputError(
            f"{file}: {_question_id(file, detail['loc'])}{where + ': ' if where else ''}{detail['msg']}"
        ) from error


def _question_id(file: Path, location: tuple[int | str, ...]) -> str:
    """The id of the question at a location of a file that does not fit the format, if it has one."""
    try:
        node = json.loads(file.read_bytes())
        for part in location[: location.index("qas") + 2]:
            node = node[part]
        return f"question '{node['id']}': "
    except (ValueError, KeyError, IndexError, TypeError):
        return ""


def _split(paragraph: _Paragraph, context: bool, place: str, file: Path) -> Iterator[tuple[str, tuple[_Qa, ...]]]:
    """Text and questions of every sentence of a paragraph."""
    answered: dict[int, list[_Qa]] = {}
    for question in paragraph.qas:
        start = question.answers[0].answer_start
        holders = [index for index, (low, high) in enumerate(paragraph.sentence_breaks) if low <= start < high]
        if not holders:
            raise InputError(f"{file}: question '{question.id}': its answer at offset {start} lies in no sentence")
        answered.setdefault(holders[0], []).append(question)
    for index, (low, high) in enumerate(paragraph.sentence_breaks):
        sentence = paragraph.context[low:high]
        if not 0 <= low < high <= len(paragraph.context) or not sentence.strip():
            raise InputError(f"{place}: sentence_breaks [{low}, {high}] holds no text of its context")
        text = f"{sentence} {paragraph.context}" if context else sentence
        yield text, tuple(answered.get(index, ()))


def squad_languages(corpus: Corpus, path: str | None) -> tuple[str, ...]:
    """Languages of a corpus: its folder's files, or what its origin has. Raises InputError."""
    if path is None:
        return tuple(sorted(corpus.languages))
    present = tuple(sorted(file.stem for file in Path(path).glob("*.json")))
    if not present:
        raise InputError(f"{corpus.name}: no <language>.json in {path}")
    return present


def _read(
    settings: SquadData | SquadEvaluation, languages: tuple[str, ...] | None, cache: Path, key: str
) -> dict[str, list[Sentence]]:
    """The sentences of each language, in the given languages or in all that there are. Raises InputError."""
    folder = corpus_folder(settings.corpus, settings.path, languages or settings.corpus.languages, cache, key)
    available = squad_languages(settings.corpus, settings.path)
    unknown = [code for code in languages or () if code not in available]
    if unknown:
        raise InputError(f"{folder / unknown[0]}.json: no such file; {folder} has: {' '.join(available)}")
    return {code: read_sentences(folder / f"{code}.json", settings.context) for code in languages or available}


def _kept_questions(sentences: dict[str, list[Sentence]], limit: int | None) -> set[str]:
    """All translation groups, or `limit` of them: the same choice at every run, whatever the file order."""
    ids = {id_ for of_language in sentences.values() for sentence in of_language for id_, _ in sentence.questions}
    return set(sorted(ids, key=lambda id_: hashlib.sha256(id_.encode()).digest())[:limit])


def squad_training_set(settings: SquadData, languages: tuple[str, ...], cache: Path) -> TrainingSet:
    """A training row for every question and its answer-bearing sentence. Raises InputError."""
    sentences = _read(settings, languages, cache, "data")
    kept = _kept_questions(sentences, settings.max_questions)
    rows = [
        TrainingRow(id_, code, question, sentence.text, negatives)
        for code in languages
        for sentence in sentences[code]
        for (id_, question), negatives in zip(sentence.questions, sentence.negatives, strict=True)
        if id_ in kept
    ]
    return training_set(sorted(rows, key=lambda row: row.group), languages)


def squad_benchmark(settings: SquadEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
    """A LAReQA benchmark. With `max_questions` only the paragraphs of the kept questions are candidates.

    Raises InputError.
    """
    sentences = _read(settings, languages, cache, "evaluation")
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
    return benchmark(settings.name, tuple(sentences), questions, passages, relevant)


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

    def load(self, settings: SquadData, languages: LanguageSettings, cache: Path) -> TrainingSet:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return squad_training_set(settings, languages.train, cache)


class SquadBenchmark:
    """Reader of `evaluation.kind=squad`."""

    def load(self, settings: SquadEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return squad_benchmark(settings, languages, cache)

    def languages(self, settings: SquadEvaluation) -> tuple[str, ...]:
        """Those of the folder or the origin. Raises InputError."""
        return squad_languages(settings.corpus, settings.path)
