"""Questions to look at: those whose worst rank moved most between two ratios.

Shapes: s = seeds, l = languages, g = translation groups.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweep.answer.contents import MovedQuestion
from sweep.answer.points import PointRow
from sweep.answer.question_texts import texts_of
from sweep.answer.ranked_points import Benchmarked, benchmarks_of, combinations_shown, contrast_of, ratio_name
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems, has_ranks
from sweep.evaluation.rank_table import RankTable
from sweep.records.folder import StudyFolder
from sweep.settings import Settings

MOST_QUESTIONS = 10  # that got better, and as many that got worse


def moved_questions(
    folder: StudyFolder, answer: StudyAnswer, settings: Settings, systems: Systems, *, texts: bool = False
) -> tuple[MovedQuestion, ...]:
    """The questions of the first benchmark whose languages are ranked together, from the reference to the best ratio:
    those that got better, most first, then those that got worse. The questions of a translation group move together,
    so of each the one that moved most. Ranks are geometric means over seeds; the passage's language is that of the
    worst passage where the question is worse, of most seeds.

    `texts`: with the texts, if the benchmark can be read without a download. Seconds for a large one.

    Raises InputError for a damaged file of ranks.
    """
    contrast = contrast_of(answer, combinations_shown(folder, answer, settings))
    if contrast is None or contrast.reference is None:
        return ()
    ratios = contrast.combination.ratios
    for benchmark in benchmarks_of(answer, settings):
        before = _ranks(folder, ratios[contrast.reference], benchmark, systems)
        after = _ranks(folder, ratios[contrast.best], benchmark, systems)
        if before is None or after is None or not after.is_like(before):
            continue
        moved = _moved(before, after, ratio_name(contrast.reference), ratio_name(contrast.best))
        return _with_texts(moved, settings, benchmark, systems) if texts else moved
    return ()


def _with_texts(
    moved: Sequence[MovedQuestion], settings: Settings, benchmark: Benchmarked, systems: Systems
) -> tuple[MovedQuestion, ...]:
    """With the texts, which are read once while the same questions are shown."""
    places = [(one.group, one.language, one.passage_language) for one in moved]
    known = systems.texts.setdefault(benchmark.name, {})
    if any(place not in known for place in places):
        known.update(zip(places, texts_of(settings, benchmark.evaluation, places), strict=True))
    return tuple(replace(one, texts=known[place]) for one, place in zip(moved, places, strict=True))


@dataclass(frozen=True)
class _Ranks:
    """The worst ranks of a ratio's seeds; `log2_lg` is their mean, NaN where a question has none."""

    tables: Sequence[RankTable]
    log2_lg: NDArray[np.float64]

    def is_like(self, other: "_Ranks") -> bool:
        """Whether both answered the same questions."""
        one, two = self.tables[0], other.tables[0]
        return (one.languages, one.groups) == (two.languages, two.groups)

    def passage_language(self, language: int, group: int) -> str:
        """The language of the worst passage with most seeds, of several the first seed's."""
        worst = [table.worst for table in self.tables if table.worst is not None]
        places = Counter(int(one.language_lg[language, group]) for one in worst)
        return self.tables[0].languages[places.most_common(1)[0][0]]


def _ranks(folder: StudyFolder, point: PointRow, benchmark: Benchmarked, systems: Systems) -> _Ranks | None:
    """None without ranks in the pool of all languages."""
    if not has_ranks(folder, point, benchmark.name):
        return None
    records = sorted(point.records, key=lambda record: record.seed)
    files = [folder.trial(record.key).ranks_of(benchmark.name) for record in records]
    tables = [systems.table(file, benchmark.half) for file in files]
    ranks = [table.worst.rank_lg for table in tables if table.worst is not None]
    first = tables[0]
    alike = all((table.languages, table.groups) == (first.languages, first.groups) for table in tables)
    if first.benchmark != benchmark.name or len(ranks) < len(tables) or not alike:
        return None
    rank_slg = np.stack(ranks).astype(float)
    return _Ranks(tables, np.log2(np.where(rank_slg > 0, rank_slg, np.nan)).mean(0))


def _moved(before: _Ranks, after: _Ranks, before_name: str, after_name: str) -> tuple[MovedQuestion, ...]:
    change_lg = after.log2_lg - before.log2_lg
    better, worse = _most(change_lg), _most(-change_lg)
    table = after.tables[0]
    questions = []
    for language, group in [*better, *worse]:
        questions.append(
            MovedQuestion(
                group=table.groups[group],
                language=table.languages[language],
                before=float(2 ** before.log2_lg[language, group]),
                after=float(2 ** after.log2_lg[language, group]),
                before_name=before_name,
                after_name=after_name,
                passage_language=(before if change_lg[language, group] < 0 else after).passage_language(
                    language, group
                ),
            )
        )
    return tuple(questions)


def _most(change_lg: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Language and group of the changes furthest below zero, of each group in the language that changed most."""
    change_lg = np.where(np.isnan(change_lg), np.inf, change_lg)
    language_g, change_g = change_lg.argmin(0), change_lg.min(0)
    order = np.argsort(change_g, kind="stable")[:MOST_QUESTIONS].tolist()
    return [(int(language_g[group]), group) for group in order if change_g[group] < 0]
