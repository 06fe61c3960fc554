"""Line-parallel documents such as NTREX as a benchmark: which sentence comes next?

A question is a sentence, and the next one of its document is relevant, in every language. Candidates are all
sentences of the documents that are evaluated on; the units that are parallel are the lines. A question's own line is
no candidate for it, in any language, and no other line with its very text is: an encoder would rank them first for
what they are, and none of them is the next sentence.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark, rows_by_question
from sweep.data.corpora import corpus_folder
from sweep.data.document_split import drawn, is_for_training
from sweep.data.parallel_files import ParallelFiles, no_files, parallel_files
from sweep.data.parallel_lines import Unit, line_source
from sweep.data.remarks import Remark, remark, remark_lines
from sweep.errors import InputError
from sweep.settings import LinesEvaluation

BLANK = "blank lines, neither questions nor candidates"


class NextSentences:
    """Reader of `evaluation.kind=lines`."""

    def load(self, settings: LinesEvaluation, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """From the user's folder or the corpus' origin. Raises InputError."""
        wanted = languages or self.languages(settings)
        folder = corpus_folder(settings.corpus, settings.path, wanted, cache, "evaluation")
        given = _the_files(folder, settings)
        unknown = [code for code in wanted if code not in given.files]
        if unknown:
            raise InputError(f"{folder}: has no file of the language '{unknown[0]}'; it has: {' '.join(given.files)}")
        return _benchmark(settings, given, wanted)

    def languages(self, settings: LinesEvaluation) -> tuple[str, ...]:
        """Those of the folder or the origin. Raises InputError."""
        if settings.path is None:
            return tuple(sorted(settings.corpus.languages))
        return tuple(_the_files(Path(settings.path), settings).files)


def _the_files(folder: Path, settings: LinesEvaluation) -> ParallelFiles:
    """The one set of parallel files of a folder. Raises InputError."""
    sets = parallel_files(folder, settings.documents) if folder.is_dir() else []
    if not sets:
        raise InputError(no_files(folder))
    if len(sets) > 1:
        raise InputError(
            f"{folder}: has several sets of parallel files ({sets[0].name}, {sets[1].name}); a benchmark is one: "
            "leave one there"
        )
    if sets[0].documents is None and settings.documents is not None:
        raise InputError(
            f"{folder}: has no {settings.documents}, which names the document of each line; or take all lines as one "
            "document with evaluation.documents=null"
        )
    return sets[0]


def _benchmark(settings: LinesEvaluation, given: ParallelFiles, languages: tuple[str, ...]) -> Benchmark:
    units = list(line_source(given, with_documents=True).read(languages))
    every = {unit.document for unit in units}
    held_out = {document for document in every if not is_for_training(document, settings.train_share)}
    if not held_out:
        raise InputError(
            f"{settings.name}: none of {len(every):,} documents is held out for evaluation with "
            f"evaluation.train_share={settings.train_share:g}"
        )
    kept = drawn(held_out, settings.max_documents)
    asked = {
        f"{settings.corpus.name}:{one.number}": (one, other)
        for one, other in pairwise(units)
        if one.document == other.document and one.document in kept and one.texts and other.texts
    }
    chosen = drawn(set(asked), settings.max_questions)
    asked = {group: pair for group, pair in asked.items() if group in chosen}
    if settings.max_questions is not None:
        kept = {one.document for one, _ in asked.values()}
    candidates = [unit for unit in units if unit.document in kept]
    questions = [
        Question(group, code, one.texts[code])
        for group, (one, _) in asked.items()
        for code in languages
        if code in one.texts
    ]
    relevant = {group: dict.fromkeys(_ids(other), 1) for group, (_, other) in asked.items()}
    read = benchmark(settings.name, languages, questions, _passages(candidates), relevant)
    ignored = _with_its_text(candidates, [(group, one) for group, (one, _) in asked.items()])
    remarks = _remarks(candidates, languages, len(kept), len(every), len(units))
    notes = remark_lines(f"evaluation '{settings.corpus.name}'", remarks)
    return replace(read, ignored_q=rows_by_question(read, ignored), notes=notes)


def _id(code: str, unit: Unit) -> str:
    return f"{code}:{unit.number:09d}"


def _ids(unit: Unit) -> Iterator[str]:
    return (_id(code, unit) for code in unit.texts)


def _passages(candidates: list[Unit]) -> Iterator[Passage]:
    return (
        Passage(_id(code, unit), code, text, f"{unit.number:09d}")
        for unit in candidates
        for code, text in unit.texts.items()
    )


def _with_its_text(candidates: list[Unit], asked: list[tuple[str, Unit]]) -> dict[str, set[str]]:
    """Ids of the candidates of each question's line, and of every line that has its text in some language."""
    alike: dict[tuple[str, str], list[Unit]] = {}
    for unit in candidates:
        for code, text in unit.texts.items():
            alike.setdefault((code, text), []).append(unit)
    return {
        group: {*_ids(one), *(_id(code, other) for code, text in one.texts.items() for other in alike[code, text])}
        for group, one in asked
    }


def _remarks(
    candidates: list[Unit], languages: tuple[str, ...], documents: int, of_documents: int, lines: int
) -> list[Remark]:
    """How much is evaluated on, and what is blank."""
    of_lines = f"{len(candidates):,} of {lines:,} lines are candidates"
    remarks = [Remark(f"{of_lines}, those of {documents:,} of {of_documents:,} documents")]
    for code in languages:
        blank = [unit.places[code] for unit in candidates if code not in unit.texts]
        remarks += remark(BLANK, code, blank, len(candidates))
    return remarks
