"""Studies with real files of ranks and planted figures: how far the questions of each language stray, by ratio."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from tests.unit.test_study import settings_of

from sweep.answer.study_answer import StudyAnswer, study_answer
from sweep.answer.systems import Systems
from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import write_ranking
from sweep.evaluation.ranking import Ranking
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.settings import SearchSettings, Settings

CODES = ("en", "de", "th", "sw")
TIERS = {
    "high": frozenset({"en", "de"}),
    "low": frozenset({"th", "sw"}),
    "seen": frozenset({"en", "de", "th"}),
    "unseen": frozenset({"sw"}),
}
MAP = "toy/pooled/map"
Noise = Mapping[str, float]  # by language


def toy(
    codes: Sequence[str] = CODES, groups: Sequence[str] = tuple(f"g{number:02}" for number in range(40))
) -> Benchmark:
    """One question and one passage of every group in every language."""
    return benchmark(
        "toy",
        tuple(codes),
        [Question(group, code, f"question {group} {code}") for group in groups for code in codes],
        [Passage(f"{code}:{group}", code, f"passage {group} {code}", group) for group in groups for code in codes],
        {group: {f"{code}:{group}": 1 for code in codes} for group in groups},
    )


def ranks(bench: Benchmark, noise: Noise, seed: int) -> Ranking:
    """Passages and questions of a group lie around one point; `noise` is how far questions stray."""
    rng = np.random.default_rng(0)  # what systems share
    number = {group: place for place, group in enumerate(sorted({question.group for question in bench.questions}))}
    centre_gh = rng.normal(size=(len(number), 12))
    passage_dh = centre_gh[[number[passage.unit] for passage in bench.passages]]
    query_qh = centre_gh[[number[question.group] for question in bench.questions]]
    passage_dh = passage_dh + rng.normal(size=passage_dh.shape)
    stray_q1 = np.array([noise[question.language] for question in bench.questions])[:, None]
    query_qh = query_qh + stray_q1 * np.random.default_rng([1, seed]).normal(size=query_qh.shape)
    unit = [value / np.linalg.norm(value, axis=1, keepdims=True) for value in (query_qh, passage_dh)]
    query_qh, passage_dh = unit[0].astype(np.float32), unit[1].astype(np.float32)
    if bench.protocol == "parallel":
        return rank_parallel(bench, query_qh, passage_dh, np.arange(len(passage_dh)))
    search = SearchSettings(index="exact", depth=1, lists=None, probes=1, neighbours=4)
    return rank_monolingual(bench, query_qh, passage_dh, np.arange(len(passage_dh)), search, Path("unused"))


def judged(codes: Sequence[str] = ("en", "de")) -> Benchmark:
    """Questions with passages in their own language alone."""
    names = [f"g{number:02}" for number in range(30)]
    return benchmark(
        "toy",
        tuple(codes),
        [Question(f"{code}{name}", code, "") for name in names for code in codes],
        [Passage(f"{code}:{name}", code, "", f"{code}{name}") for name in names for code in codes],
        {f"{code}{name}": {f"{code}:{name}": 1} for name in names for code in codes},
        "monolingual",
    )


def write_trial(
    folder: StudyFolder,
    parameters: Mapping[str, Any],
    seed: int,
    noise: Noise,
    bench: Benchmark,
    tiers: Mapping[str, frozenset[str]] = TIERS,
    half_of: Callable[[str], str] | None = None,
) -> TrialRecord:
    """A finished trial with its ranks. Its objective is the pooled mAP, mono where languages are not ranked
    together; with `half_of` of the groups to choose by."""
    key = ",".join([*(f"{path}={value}" for path, value in parameters.items()), f"seed={seed}"])
    ranking = ranks(bench, noise, seed)
    write_ranking(folder.trial(key).path / "ranks.parquet", ranking, dict(tiers))
    chosen = {group for group in ranking.groups if half_of is None or half_of(group) == "select"}
    value = plain_map(ranking, chosen)
    folder.trial(key).write_result(TrialResult(key, "f", {MAP: value}, 0.1, 1.0, {}, 0, {}))
    return TrialRecord(key, 0, seed, "COMPLETE", dict(parameters), 1, value, (value,), folder=folder.trial(key))


def plain_map(ranking: Ranking, groups: set[str], language: str | None = None) -> float:
    """The pooled (or mono) mAP of these groups question by question, the mean over languages or of one."""
    rank_qr = ranking.own_qr if ranking.pooled is None else ranking.pooled.rank_qr
    values: dict[str, list[float]] = {}
    for row in range(len(rank_qr)):
        code = ranking.languages[ranking.language_q[row]]
        if ranking.groups[ranking.group_q[row]] in groups and language in (None, code):
            sorted_ranks = sorted(rank for rank in rank_qr[row].tolist() if rank)
            values.setdefault(code, []).append(fmean((n + 1) / rank for n, rank in enumerate(sorted_ranks)))
    return fmean(fmean(of_language) for of_language in values.values())


def answered(
    folder: StudyFolder, records: Sequence[TrialRecord], systems: Systems, *overrides: str, metric: str = MAP
) -> tuple[StudyAnswer, Settings]:
    """The answer of a study on the benchmark `toy`, and its settings."""
    aim = f"study.objectives=[{{metric: {metric}, direction: maximize}}]"
    settings = settings_of("evaluation.name=toy", aim, *overrides)
    TrialsTable(folder.trials_csv).update(list(records))
    study = settings.study
    return study_answer(folder, records, "toy", study.objectives, 0.01, study, (), systems), settings
