"""AfriQA's gold passages as training data and as a benchmark: questions in African languages on passages in English
or French, and their human translations on the same passages.

A language has the questions of its file; a pivot language has their translations, and all passages. Nothing is
parallel between the African languages: a translation group is one row, a question with its translation and passage.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.corpora import corpus_folder
from sweep.data.gold_passages import GoldFile, GoldRow, gold_files, gold_rows, named_files
from sweep.data.language_files import what_is_there
from sweep.data.leakage import normalised
from sweep.data.remarks import Remark, remark, remark_lines
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import AfriqaData, AfriqaEvaluation, FilesOrigin, LanguageSettings
from sweep.settings.wording import listed

HELD_OUT = "rows with a question, a translation or a passage of another split, left out"
ASKED_AGAIN = "questions whose translation another row has with another passage: both passages answer them"
ONE_SIDED = (
    "passages are in {pivots} alone, so these languages have no pool of their own, and debias_on=pool leaves their "
    "questions as they are: {languages}"
)
ONE_PIVOT = "with debias_on=pool and passages in one language, center and shift change nothing"


def _declared(settings: AfriqaData | AfriqaEvaluation) -> list[GoldFile]:
    """The files of the user's folder, or those that the origin has. Raises InputError if there are none."""
    corpus = settings.corpus
    if settings.path is None:
        declared = corpus.origin.files if isinstance(corpus.origin, FilesOrigin) else ()
        return named_files(Path(file.path) for file in declared)
    folder = corpus_folder(corpus, settings.path, (), Path(), "")
    files = gold_files(folder)
    if not files:
        raise InputError(
            f"{corpus.name}: no <code>/gold_span_passages.afriqa.<code>.<pivot>.<split>.json in {folder} (there: "
            f"{what_is_there(folder)}); give the folder data/gold_passages of the published repository"
        )
    return files


def _of_split(settings: AfriqaData | AfriqaEvaluation, split: str, cache: Path, key: str) -> list[GoldFile]:
    """The files of a split, downloaded where needed."""
    declared = [gold for gold in _declared(settings) if gold.split == split]
    if settings.path is not None or not declared:
        return declared
    languages = tuple(gold.language for gold in declared)
    folder = corpus_folder(settings.corpus, None, languages, cache, key, split)
    return [gold for gold in gold_files(folder) if gold.split == split and gold.language in languages]


def _wanted(files: list[GoldFile], languages: Iterable[str], title: str, split: str, setting: str) -> list[GoldFile]:
    """The files of these languages; all files of a pivot language if only such are among them. Raises InputError for
    a language that the split does not have, and for one whose pivot is not among them."""
    known = {gold.language for gold in files}
    pivots = {gold.pivot for gold in files}
    listed_ones = tuple(languages)
    for code in listed_ones:
        if code not in known | pivots:
            raise InputError(
                f"{title} has no {split} split in '{code}'; it has {' '.join(sorted(known))}, with passages in "
                f"{' '.join(sorted(pivots))}: take '{code}' out of {setting}"
            )
    own = [gold for gold in files if gold.language in listed_ones]
    return own or [gold for gold in files if gold.pivot in listed_ones]


def afriqa_rows(settings: AfriqaData, languages: tuple[str, ...], cache: Path) -> TrainingRows:
    """Two rows a translation group: the question with its passage, and the translation with the same one.

    With only pivot languages among `languages`, the translations of all files; else those of the languages' files.
    Raises InputError.
    """
    title = f"data '{settings.corpus.name}'"
    files = _of_split(settings, settings.split, cache, "data")
    wanted = _wanted(files, languages, title, settings.split, "languages.train")
    for gold in wanted:
        if gold.pivot not in languages:
            raise InputError(
                f"{title}: the passages for '{gold.language}' are in '{gold.pivot}'; add it to languages.train"
            )
    apart_splits = [name for name in settings.apart_from if name != settings.split]
    others = {name: _of_split(settings, name, cache, "data") for name in apart_splits}
    apart_from = [gold for of_split in others.values() for gold in of_split]

    def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
        reserved = {text for gold in apart_from for row in gold_rows(gold, []) for text in _texts(row)}
        for gold in wanted:
            left_out, total = [], 0
            for row in gold_rows(gold, remarks):
                total += 1
                if not reserved.isdisjoint(_texts(row)):
                    left_out.append(row.place)
                    continue
                group = _group(gold, row)
                if gold.language in languages:
                    yield TrainingRow(
                        group, gold.language, row.question, row.passage, passage_language=gold.pivot, place=row.place
                    )
                yield TrainingRow(group, gold.pivot, row.translation, row.passage, place=row.place)
            remarks += remark(HELD_OUT, gold.language, left_out, total)

    return TrainingRows(title, tuple(gold.file for gold in (*wanted, *apart_from)), read)


def _texts(row: GoldRow) -> set[str]:
    """A row's texts as those of training and evaluation are compared (`sweep.data.leakage`)."""
    return {normalised(text) for text in (row.question, row.translation, row.passage)}


def _group(gold: GoldFile, row: GoldRow) -> str:
    """Every language and split numbers its rows anew."""
    return f"{gold.language}:{gold.split}:{row.id}"


def afriqa_benchmark(settings: AfriqaEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
    """The questions of some languages and their translations, on all passages of the pivot languages of these.

    The passages are those of all files of the split, whatever languages are asked for, so that a language's figures
    do not depend on the others, unless the settings ask for those of the kept questions alone. A pivot language that
    is not listed is added. Raises InputError.
    """
    title = f"evaluation '{settings.corpus.name}'"
    files = _of_split(settings, settings.split, cache, "evaluation")
    if not files:
        raise InputError(f"{title} has no {settings.split} split; choose another evaluation.split")
    asked = languages or tuple(dict.fromkeys(gold.language for gold in files))
    wanted = _wanted(files, asked, title, settings.split, "languages.evaluate")
    pivots = tuple(dict.fromkeys(gold.pivot for gold in wanted))
    remarks: list[Remark] = []
    rows_of = {
        gold: list(gold_rows(gold, remarks if gold in wanted else [])) for gold in files if gold.pivot in pivots
    }
    every_row = [(gold, row) for gold, rows in rows_of.items() for row in rows]
    passages = {passage.id: passage for passage in (_passage(gold, row) for gold, row in every_row)}
    answers = _answers(rows_of)
    questions: list[Question] = []
    relevant: dict[str, dict[str, int]] = {}
    for gold in wanted:
        kept = _kept([_group(gold, row) for row in rows_of[gold]], settings.max_questions)
        shared = []
        for row in rows_of[gold]:
            if (group := _group(gold, row)) not in kept:
                continue
            if gold.language in asked:
                questions.append(Question(group, gold.language, row.question))
            questions.append(Question(group, gold.pivot, row.translation))
            relevant[group] = dict.fromkeys(answers[gold.pivot, row.translation], 1)
            shared += [row.place] if len(relevant[group]) > 1 else []
        remarks += remark(ASKED_AGAIN, gold.language, shared, len(kept))
    if settings.passages == "asked":
        answering = {id_ for of_group in relevant.values() for id_ in of_group}
        passages = {id_: passage for id_, passage in passages.items() if id_ in answering}
    every = asked + tuple(code for code in pivots if code not in asked)
    read = benchmark(settings.name, every, questions, passages.values(), relevant, one_sided=True)
    return replace(read, notes=remark_lines(title, [*remarks, *_one_sided(read)]))


def _passage(gold: GoldFile, row: GoldRow) -> Passage:
    """Passages of one text are one: their id is made of it, so that ties do not depend on the languages asked for."""
    digest = sha256(row.passage.encode("utf-8", "surrogatepass")).hexdigest()
    return Passage(f"{gold.pivot}:{digest[:24]}", gold.pivot, row.passage)


def _answers(rows_of: dict[GoldFile, list[GoldRow]]) -> dict[tuple[str, str], set[str]]:
    """The ids of the passages that answer a question in a pivot language, which several rows may ask."""
    answers: dict[tuple[str, str], set[str]] = {}
    for gold, rows in rows_of.items():
        for row in rows:
            answers.setdefault((gold.pivot, row.translation), set()).add(_passage(gold, row).id)
    return answers


def _kept(groups: list[str], limit: int | None) -> set[str]:
    """All, or the same choice of `limit` at every run."""
    return set(sorted(groups, key=lambda group: sha256(group.encode()).digest())[:limit])


def _one_sided(read: Benchmark) -> list[Remark]:
    alone = [code for code in read.languages if code not in read.passage_languages]
    remarks = [Remark(ONE_SIDED.format(pivots=" and ".join(read.passage_languages), languages=" ".join(alone)))]
    if len(read.passage_languages) == 1:
        remarks.append(Remark(ONE_PIVOT))
    return remarks if alone else []


class AfriqaTraining:
    """Reader of `data.kind=afriqa`."""

    def open(self, settings: AfriqaData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return afriqa_rows(settings, languages.train, cache)

    def languages(self, settings: AfriqaData) -> tuple[str, ...]:
        """Those with questions in the split, and then those of the passages. Raises InputError."""
        return _languages(settings)


class AfriqaBenchmark:
    """Reader of `evaluation.kind=afriqa`."""

    def load(self, settings: AfriqaEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """From the user's folder or the corpus' origin. Raises InputError."""
        return afriqa_benchmark(settings, languages, cache)

    def languages(self, settings: AfriqaEvaluation) -> tuple[str, ...]:
        """Those with questions in the split, and then those of the passages. Raises InputError."""
        return _languages(settings)


def _languages(settings: AfriqaData | AfriqaEvaluation) -> tuple[str, ...]:
    declared = _declared(settings)
    files = [gold for gold in declared if gold.split == settings.split]
    if not files:
        splits = listed(sorted({gold.split for gold in declared}))
        raise InputError(f"{settings.corpus.name} has no {settings.split} split; choose one that it has: {splits}")
    return tuple(dict.fromkeys([gold.language for gold in files] + [gold.pivot for gold in files]))
