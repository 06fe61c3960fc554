"""Bilingual lexicons: the names that CLDR has, or files of word pairs, between the languages that are trained on.

Languages that are only evaluated on stay out of it, or they would be unseen by their name alone. A folder has a file
`<a>-<b>.txt` for a pair of languages, in the format of MUSE (Conneau et al. 2018, arXiv 1710.04087): a word and its
translation in a line, with white space between them; with a tab between them both may be of several words. It serves
both directions.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path

from sweep.data.benchmark import Benchmark
from sweep.data.leakage import compared, normalised
from sweep.data.lexicon import terms
from sweep.data.translated_words import Entries, Lexicon, entries_of
from sweep.errors import InputError, shortened
from sweep.settings import Settings
from sweep.settings.language import named_language
from sweep.settings.wording import listed

PART = "ratio.code_switch"
NAME = f"{PART}.lexicon"


def load_lexicon(settings: Settings) -> Lexicon | None:
    """The lexicon of a study that switches words, in this point or, by its search, in others; None if it does not.
    Raises InputError."""
    asked, languages = settings.ratio.code_switch, settings.languages.train
    if not asked.probability and f"{PART}.probability" not in settings.study.space:
        return None
    if asked.lexicon is not None:
        entries = entries_of(_pairs_of_files(Path(asked.lexicon), languages))
        return _lexicon(languages, entries, entries)
    if settings.data.kind != "cldr":  # `sweep.settings.checks` refuses it with the same words
        raise InputError(f"{NAME}=null is the lexicon of data=cldr alone")
    named = terms(settings.data.relation, languages).values()
    questions, passages = (
        entries_of(
            (one, getattr(called[one], role), other, getattr(called[other], role))
            for called in named
            for one, other in permutations(languages, 2)
        )
        for role in ("question", "passage")
    )
    return _lexicon(languages, questions, passages)


def check_lexicon(lexicon: Lexicon, benchmark: Benchmark) -> None:
    """Refuse a lexicon that holds, as a word or a translation, a whole question of the benchmark or a passage that
    answers one. Raises InputError."""
    own = {
        normalised(text)
        for side in (lexicon.of_questions, lexicon.of_passages)
        for entries in side.values()
        for word, others in entries.items()
        for text in (word, *(one for translations in others.values() for one in translations))
    }
    for noun, theirs in zip(("questions", "passages"), compared(benchmark), strict=True):
        shared = [text for text in theirs if normalised(text) in own]
        if shared:
            raise InputError(
                f"{len(shared)} {noun} of the benchmark '{benchmark.name}' are entries of {NAME}, the first: "
                f"'{shortened(shared[0])}'. Evaluation is zero-shot: take them out of the lexicon, or choose another "
                "benchmark"
            )


def _lexicon(
    languages: tuple[str, ...], questions: Mapping[str, Entries], passages: Mapping[str, Entries]
) -> Lexicon:
    plain = json.dumps([languages, questions, passages], sort_keys=True)
    return Lexicon(languages, questions, passages, hashlib.sha256(plain.encode()).hexdigest())


def _pairs_of_files(folder: Path, languages: tuple[str, ...]) -> Iterator[tuple[str, str, str, str]]:
    if not folder.is_dir():
        raise InputError(f"{NAME}: no such folder: {folder}")
    files = [file for file in sorted(folder.glob("*-*.txt")) if set(_languages_of(file)) <= set(languages)]
    if not files:
        raise InputError(
            f"{NAME}={folder}: no file of two of languages.train ({listed(languages)}); files are called "
            f"<language>-<language>.txt, such as {'-'.join((*languages, 'de')[:2])}.txt"
        )
    for file in files:
        one, other = _languages_of(file)
        for word, translation in _lines(file):
            yield one, word, other, translation
            yield other, translation, one, word


def _languages_of(file: Path) -> tuple[str, ...]:
    """Both languages of a file's name; a part that is no language is as it is, and is none of the study's."""
    parts = file.stem.split("-")
    return tuple(named_language(part) or part for part in parts) if len(parts) == 2 else ("", "")


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from error
    for number, line in enumerate(lines, 1):
        parts = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
        if not line.strip():
            continue
        if len(parts) != 2 or not all(parts):
            raise InputError(
                f"{file}:{number}: a line has a word and its translation, with white space between them (a tab if "
                f"one of them is of several words): '{shortened(line)}'"
            )
        yield parts[0], parts[1]
