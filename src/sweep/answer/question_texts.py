"""Texts of a few questions of a benchmark, read from what is on this machine: nothing is downloaded."""

from collections.abc import Sequence

from sweep.data.benchmark import Benchmark
from sweep.data.corpora import is_here
from sweep.data.load import load_benchmark
from sweep.errors import SweepError
from sweep.settings import CldrEvaluation, EvaluationSettings, Settings
from sweep.settings.cache import cache_folder
from sweep.settings.evaluation import CorpusEvaluation

LONGEST = 400  # characters of a text
Wanted = tuple[str, str, str]  # translation group, language of the question, language of the passage
Texts = tuple[str, str] | None


def texts_of(settings: Settings, evaluation: EvaluationSettings, wanted: Sequence[Wanted]) -> list[Texts]:
    """Question and relevant passage, each of LONGEST characters at most; None for all of them if the benchmark is not
    on this machine, cannot be read, or lacks one of the questions, so that it is not what the study evaluated on."""
    nothing: list[Texts] = [None] * len(wanted)
    if not _is_local(settings, evaluation):
        return nothing
    try:
        benchmark = load_benchmark(settings, evaluation)
    except (SweepError, OSError):
        return nothing
    texts = [_pair(benchmark, *one) for one in wanted]
    return nothing if None in texts else texts


def _is_local(settings: Settings, evaluation: EvaluationSettings) -> bool:
    if isinstance(evaluation, CldrEvaluation):
        return True  # made of what babel brings
    if not isinstance(evaluation, CorpusEvaluation):
        return False
    asked, own = settings.languages.evaluate, evaluation.corpus.languages
    languages = own if asked is None else tuple(code for code in asked if code in own)
    return evaluation.path is not None or is_here(evaluation.corpus, languages, cache_folder(settings.paths))


def _pair(benchmark: Benchmark, group: str, language: str, passage_language: str) -> Texts:
    for place, question in enumerate(benchmark.questions):
        if (question.group, question.language) == (group, language):
            rows = benchmark.relevant_q[place]
            codes = [benchmark.languages[index] for index in benchmark.passages.language_d[rows].tolist()]
            if passage_language not in codes:
                return None
            passage = benchmark.passages[int(rows[codes.index(passage_language)])]
            return _shortened(question.text), _shortened(passage.text)
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
