"""Mixed batches against merges, other objectives and what needs no training, from files of ranks on the disk."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from tests.sample_report import sample_report
from tests.unit.ranked_study import TIERS, answered, plain_map, ranks, toy, write_trial

from sweep.answer.headline import headline_of
from sweep.answer.rival_claims import rival_lines
from sweep.answer.rivals import Rivals
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems
from sweep.evaluation.rank_file import write_ranking
from sweep.page.certain_tables import rival_tables
from sweep.records.folder import StudyFolder
from sweep.report.latex import escaped as in_latex
from sweep.report.latex import paper_latex
from sweep.report.markdown import answer_markdown, paper_markdown
from sweep.report.markdown import escaped as in_markdown

SPACE = (
    "study.space={loss: {grid: [info_nce, clear, distill]}, "
    "ratio.mix: {grid: [batches, merge], when: {loss: info_nce}}, "
    "ratio.monolingual: {grid: [0.0, 0.5, 1.0], when: {loss: info_nce}}}"
)
Planted = tuple[tuple[dict[str, Any], float], ...]
BATCHES = {"loss": "info_nce", "ratio.mix": "batches"}
# How far the questions of each point stray: CLEAR is planted as better than α = .5, distillation as its equal.
POINTS = (
    ({**BATCHES, "ratio.monolingual": 0.0}, 1.6),
    ({**BATCHES, "ratio.monolingual": 0.5}, 1.0),
    ({**BATCHES, "ratio.monolingual": 1.0}, 2.2),
    ({"loss": "info_nce", "ratio.mix": "merge", "ratio.monolingual": 0.5}, 1.7),
    ({"loss": "clear"}, 0.4),
    ({"loss": "distill"}, 1.0),
)


def answer_of(path: Path, seeds: int = 3, points: Planted = POINTS) -> StudyAnswer:
    folder, bench = StudyFolder(path / "study"), toy()
    records = [
        write_trial(folder, parameters, seed, {code: stray for code in bench.languages}, bench)
        for parameters, stray in points
        for seed in range(seeds)
    ]
    lir = folder.path / "baselines" / "lir-0123456789ab"
    lir.mkdir(parents=True)
    write_ranking(lir / "ranks.parquet", ranks(bench, {code: 1.9 for code in bench.languages}, 99), dict(TIERS))
    (lir / "metrics.json").write_text("{}")
    return answered(folder, records, Systems(), SPACE)[0]


def rivals_of(path: Path, seeds: int = 3) -> Rivals:
    rivals = answer_of(path, seeds).rivals
    assert rivals is not None
    return rivals


def test_every_rival_is_compared_with_mixed_batches_and_holm_is_over_all(tmp_path: Path) -> None:
    rivals = rivals_of(tmp_path)
    assert rivals.mixed == "α = 0.5"
    seeds = {row.name: row.seeds for row in rivals.rows}
    assert seeds == {"loss=clear": 3, "loss=distill": 3, "merge with λ = 0.5": 3, "lir": 0}
    by_name = {row.name: row.against for row in rivals.rows}
    plain = sorted(one.p for one in by_name.values())
    assert min(one.p_holm for one in by_name.values()) == pytest.approx(min(1.0, len(plain) * plain[0]))
    assert by_name["loss=clear"].difference > 0 > by_name["lir"].difference
    bench, figures = toy(), {}
    for stray in (0.4, 1.0):
        of_seeds = [ranks(bench, dict.fromkeys(bench.languages, stray), seed) for seed in range(3)]
        figures[stray] = fmean(plain_map(ranking, set(ranking.groups)) for ranking in of_seeds)
    assert by_name["loss=clear"].difference == pytest.approx(figures[0.4] - figures[1.0])
    assert rivals.best == ("loss=clear",)
    assert rivals.among == len(POINTS)


def test_sentences_say_what_is_shown_and_what_is_not(tmp_path: Path) -> None:
    answer = answer_of(tmp_path)
    first, second = rival_lines(answer.rivals, answer.objectives[0])
    assert first == (
        "Rivals of α = 0.5 (4 comparisons, p after Holm) shown to be better: loss=clear; shown to be worse: "
        "merge with λ = 0.5 and lir; not shown to differ: loss=distill."
    )
    assert second == "Of all 6 trained points loss=clear may be best (95 % confidence set)."
    assert {first, second} <= set(headline_of(answer, 18, 18, 3).sentences)


def test_papers_and_pages_have_them_in_a_table_of_their_own(tmp_path: Path) -> None:
    rivals, report = rivals_of(tmp_path), sample_report()
    report = replace(report, answer=replace(report.answer, rivals=rivals))
    objective = report.answer.objectives[0]
    (on_page,) = rival_tables(rivals, objective)
    assert [row[0] for row in on_page.rows] == ["α = 0.5", "loss=clear", "loss=distill", "merge with λ = 0.5", "lir"]
    assert [row[-1] for row in on_page.rows] == ["–", "better", "not shown", "worse", "worse"]
    for text in (paper_markdown([report]), answer_markdown(report)):
        for row in on_page.rows:
            assert f"| {' | '.join(map(in_markdown, row))} |" in text
        assert text.count("rivals, with differences from α = 0.5; p is corrected for all of this table (Holm)") == 1
    text = paper_latex([report])
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 2
    for row in on_page.rows:
        assert f"    {' & '.join(map(in_latex, row))} \\\\" in text.splitlines()
    without = replace(report, answer=replace(report.answer, rivals=None))
    assert paper_latex([without]) + "\n" == text[: text.index("\\begin{table}", text.index("\\end{table}"))]


def test_of_one_seed_nothing_is_said(tmp_path: Path) -> None:
    answer = answer_of(tmp_path, seeds=1)
    assert answer.rivals is not None
    assert not answer.rivals.over_seeds
    assert answer.rivals.best == ()
    assert rival_lines(answer.rivals, answer.objectives[0]) == []


def test_without_half_of_each_kind_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert answer_of(tmp_path, points=(POINTS[0], *POINTS[2:])).rivals is None


def test_a_rival_that_lacks_a_seed_does_not_compete(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path / "study"), toy()
    strays = {code: 1.0 for code in bench.languages}
    records = [write_trial(folder, parameters, seed, strays, bench) for parameters, _ in POINTS for seed in range(3)]
    records[-1] = replace(records[-1], state="FAILED", value=None, values=())
    rivals = answered(folder, records, Systems(), SPACE)[0].rivals
    assert rivals is not None
    assert [row.name for row in rivals.rows] == ["loss=clear", "merge with λ = 0.5"]
    assert rivals.among == len(POINTS) - 1
