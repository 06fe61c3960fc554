"""What the charts of a report show, from files of ranks on the disk: curves, pairs, languages, moved questions."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.unit.ranked_study import CODES, MAP, TIERS, answered, judged, plain_map, ranks, toy, write_trial

from sweep.answer.contents import RatioCurve
from sweep.answer.curves import MONOLINGUAL, PARALLEL, ratio_curves
from sweep.answer.languages import language_tables
from sweep.answer.matrices import MOST_RATIOS, pair_matrices
from sweep.answer.moved import MOST_QUESTIONS, moved_questions
from sweep.answer.systems import Systems
from sweep.errors import InputError
from sweep.evaluation.comparison import compare_each, difference, figure, load_system
from sweep.evaluation.halves import half_of
from sweep.evaluation.rank_file import read_ranking, write_ranking
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.run.displays import Shown
from sweep.run.ending import End, print_end
from sweep.statistics.uncertainty import holm

ALPHA = "ratio.monolingual"
NOISE = {0.0: 0.9, 0.25: 0.7, 0.5: 0.5, 1.0: 0.9}  # of en, de and th
SWAHILI = {0.0: 0.9, 0.25: 1.2, 0.5: 2.5, 1.0: 0.4}  # which gets worse where the others get better
EVERY = tuple(f"{metric}/{part}" if part else metric for metric in PARALLEL for part in ("", *TIERS))


def noise_of(ratio: float) -> dict[str, float]:
    return dict.fromkeys(CODES, NOISE[ratio]) | {"sw": SWAHILI[ratio]}


def study(path: Path, seeds: Sequence[int] = (0, 1, 2), **others: str) -> tuple[StudyFolder, list[TrialRecord]]:
    folder, bench = StudyFolder(path), toy()
    values = {name.replace("_", "."): value for name, value in others.items()}
    return folder, [
        write_trial(folder, {ALPHA: ratio, **values}, seed, noise_of(ratio), bench)
        for ratio in NOISE
        for seed in seeds
    ]


@pytest.fixture(scope="module")
def three_seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[TrialRecord]]:
    folder, records = study(tmp_path_factory.mktemp("study"))
    for name, stray in (("lir", 0.8), ("untouched", 1.5)):
        file = folder.path / "baselines" / f"{name}-0123456789ab" / "ranks.parquet"
        write_ranking(file, ranks(toy(), dict.fromkeys(CODES, stray), 9), TIERS)
        file.with_name("metrics.json").write_text("{}")
    return folder, records


def files_of(folder: StudyFolder, records: Sequence[TrialRecord], ratio: float) -> list[Path]:
    return [folder.trial(record.key).ranks for record in records if record.parameters[ALPHA] == ratio]


def by_key(curves: Sequence[RatioCurve]) -> dict[str, RatioCurve]:
    assert len({curve.key for curve in curves}) == len(curves)
    return {curve.key: curve for curve in curves}


# Curves -------------------------------------------------------------------------------------------------------


def test_curves_are_the_figures_of_a_comparison(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = three_seeds
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    curves = by_key(ratio_curves(folder, answer, settings, systems))
    assert set(curves) == {f"toy/{name}" for name in EVERY}
    loaded = [load_system(f"{ratio:g}", files_of(folder, records, ratio), [0, 1, 2]) for ratio in NOISE]
    lir = load_system("lir", [folder.baselines()["lir"].ranks])
    for name in EVERY:
        curve = curves[f"toy/{name}"]
        assert [dot.ratio for dot in curve.dots] == list(NOISE)
        for dot, system in zip(curve.dots, loaded, strict=True):
            expected = figure(system, name, loaded)
            assert (dot.mean, *dot.interval) == pytest.approx((expected.value, *expected.interval), abs=1e-12)
            assert dot.seeds == pytest.approx(dict(enumerate(system.values_sg(name).mean(1))))
            assert dot.key == f"{ALPHA}={dot.ratio}"
        assert list(curve.baselines) == ["untouched", "lir"]
        alone, expected = curve.baselines["lir"], figure(lir, name)
        assert (alone.value, *alone.interval) == pytest.approx((expected.value, *expected.interval), abs=1e-12)
        assert (curve.smooth is not None) == (not curve.part)
        assert curve.published == ()
    shown = {row.ratio: row.figure for row in answer.certainty.tables[0].rows}
    assert {dot.ratio: (dot.mean, dot.interval) for dot in curves[MAP].dots} == {
        ratio: (one.value, one.interval) for ratio, one in shown.items()
    }
    assert (curves[MAP].title, curves["toy/pooled/rank_distance/low"].title) == ("pooled mAP", "rank distance")
    assert curves["toy/pooled/rank_distance"].better == "lower"


def test_nothing_is_read_twice(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = three_seeds
    systems = Systems()
    for _ in range(2):
        answer, settings = answered(folder, records, systems)
        first = ratio_curves(folder, answer, settings, systems)
        pair_matrices(folder, answer, settings, systems)
        language_tables(folder, answer, settings, systems)
        moved_questions(folder, answer, settings, systems)
        assert systems.read == len(records) + 2
    file = folder.trial(records[0].key).ranks
    os.utime(file, ns=(1, 1))
    assert ratio_curves(folder, answer, settings, systems) == first
    assert systems.read == len(records) + 3
    little = Systems(most_bytes=1)  # what does not fit is read again, and right
    assert ratio_curves(folder, answer, settings, little) == first
    assert little.read > len(records)


def test_one_seed_has_intervals_over_questions(tmp_path: Path) -> None:
    folder, records = study(tmp_path, seeds=(7,))
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    curves = by_key(ratio_curves(folder, answer, settings, systems))
    loaded = {ratio: load_system("x", files_of(folder, records, ratio)) for ratio in NOISE}
    for name in EVERY:
        for dot in curves[f"toy/{name}"].dots:
            expected = figure(loaded[dot.ratio], name)
            assert (dot.mean, *dot.interval) == pytest.approx((expected.value, *expected.interval), abs=1e-9)
            assert dot.seeds == {7: pytest.approx(dot.mean)}
        assert curves[f"toy/{name}"].smooth is None
    for table in language_tables(folder, answer, settings, systems):
        assert {(row.compared, row.verdict) for row in table.rows} == {(None, "not shown")}


def test_other_searched_values_have_curves_of_their_own(tmp_path: Path) -> None:
    folder, linear = study(tmp_path, (0, 1), train_decay="linear")
    _, cosine = study(tmp_path, (0, 1), train_decay="cosine")
    systems = Systems()
    answer, settings = answered(folder, [*linear, *cosine], systems)
    curves = ratio_curves(folder, answer, settings, systems)
    assert len(curves) == 2 * len(EVERY)
    assert {curve.others for curve in curves} == {"train.decay=linear", "train.decay=cosine"}


def test_a_search_shows_the_half_that_it_did_not_choose_by(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), toy()
    records = [
        write_trial(folder, {ALPHA: ratio}, seed, noise_of(ratio), bench, half_of=half_of)
        for ratio in NOISE
        for seed in (0, 1)
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems, "study.select_on=half")
    assert answer.benchmark == "toy+report"
    curves = by_key(ratio_curves(folder, answer, settings, systems))
    report = {question.group for question in bench.questions if half_of(question.group) == "report"}
    for dot in curves["toy+report/pooled/map"].dots:
        for seed, value in dot.seeds.items():
            ranking, _ = read_ranking(files_of(folder, records, dot.ratio)[seed])
            assert value == pytest.approx(plain_map(ranking, report))
    (_, pooled, _) = language_tables(folder, answer, settings, systems)
    assert pooled.metric == "toy+report/pooled/map"
    chosen = {ratio: [read_ranking(file)[0] for file in files_of(folder, records, ratio)] for ratio in NOISE}
    for row in pooled.rows:
        figures = [np.mean([plain_map(one, report, row.language) for one in chosen[ratio]]) for ratio in (1.0, 0.5)]
        assert (row.reference, row.figure) == pytest.approx(figures)
    assert {one.group for one in moved_questions(folder, answer, settings, systems)} <= report


def test_a_benchmark_without_parallel_questions(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), judged()
    records = [
        write_trial(folder, {ALPHA: ratio}, seed, dict.fromkeys(CODES, stray), bench, {"high": frozenset({"en"})})
        for ratio, stray in NOISE.items()
        for seed in (0, 1)
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems, metric="toy/mono/map")
    curves = by_key(ratio_curves(folder, answer, settings, systems))
    assert set(curves) == {f"toy/{metric}{part}" for metric in MONOLINGUAL for part in ("", "/high")}
    (table,) = language_tables(folder, answer, settings, systems)
    assert (table.metric, {row.language for row in table.rows}) == ("toy/mono/map", {"en", "de"})
    assert pair_matrices(folder, answer, settings, systems) == ()
    assert moved_questions(folder, answer, settings, systems) == ()


# Pairs --------------------------------------------------------------------------------------------------------


def test_pairs_are_means_over_seeds_in_the_order_of_tiers(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = three_seeds
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    matrices = pair_matrices(folder, answer, settings, systems)
    assert [matrix.name for matrix in matrices] == ["α = 0", "α = 0.25", "α = 0.5", "α = 1", "untouched", "lir"]
    for matrix in matrices:
        assert matrix.languages == ("de", "en", "sw", "th")
        is_ratio = matrix.ratio is not None
        files = files_of(folder, records, matrix.ratio) if is_ratio else [folder.baselines()[matrix.name].ranks]
        loaded = load_system("x", files)
        for asked, row in zip(matrix.languages, matrix.value_qp, strict=True):
            for answered_in, value in zip(matrix.languages, row, strict=True):
                same = asked == answered_in
                key = f"mono/map/{asked}" if same else f"cross/map/{asked}-{answered_in}"
                assert value == pytest.approx(float(loaded.values_sg(key).mean()))


def test_of_many_ratios_some_have_a_matrix(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), toy(groups=["a", "b", "c"])
    ratios = [number / 20 for number in range(21)]
    records = [write_trial(folder, {ALPHA: ratio}, 0, dict.fromkeys(CODES, 1.0), bench) for ratio in ratios]
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    shown = [matrix.ratio for matrix in pair_matrices(folder, answer, settings, systems)]
    assert len(shown) == MOST_RATIOS
    assert {0.0, 0.5, 1.0} <= set(shown)


def test_a_study_of_no_ratio_has_the_pairs_of_its_best_point(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), toy()
    records = [
        write_trial(folder, {"train.steps": steps}, 0, dict.fromkeys(CODES, stray), bench)
        for steps, stray in ((10, 1.0), (20, 0.4))
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems, "study.seeds=[0]")
    (matrix,) = pair_matrices(folder, answer, settings, systems)
    assert (matrix.name, matrix.ratio) == ("train.steps=20", None)
    assert ratio_curves(folder, answer, settings, systems) == ()
    assert language_tables(folder, answer, settings, systems) == ()
    assert moved_questions(folder, answer, settings, systems) == ()


def test_a_study_that_searches_nothing_shows_its_only_ratio(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), toy()
    records = [write_trial(folder, {}, seed, dict.fromkeys(CODES, 0.5), bench) for seed in (0, 1)]
    systems = Systems()
    answer, settings = answered(folder, records, systems, "study.space={}", "ratio.monolingual=0.75")
    curves = by_key(ratio_curves(folder, answer, settings, systems))
    (dot,) = curves[MAP].dots
    assert (dot.ratio, dot.key, set(dot.seeds)) == (0.75, "", {0, 1})
    (matrix,) = pair_matrices(folder, answer, settings, systems)
    assert matrix.name == "α = 0.75"
    assert language_tables(folder, answer, settings, systems) == ()


# Languages ----------------------------------------------------------------------------------------------------


def test_languages_against_the_reference(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = three_seeds
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    assert answer.best is not None
    assert answer.best.parameters == {ALPHA: 0.5}
    tables = language_tables(folder, answer, settings, systems)
    assert [table.metric for table in tables] == ["toy/mono/map", MAP, "toy/pooled/alignment_consistency"]
    loaded = {ratio: load_system(f"{ratio:g}", files_of(folder, records, ratio), [0, 1, 2]) for ratio in NOISE}
    for table in tables:
        assert (table.name, table.reference_name) == ("α = 0.5", "α = 1")
        assert [row.gain for row in table.rows] == sorted((row.gain for row in table.rows), reverse=True)
        assert {row.language for row in table.rows} == set(CODES)
        for row in table.rows:
            name = f"{table.metric.removeprefix('toy/')}/{row.language}"
            assert row.metric == f"toy/{name}"
            alone = compare_each([loaded[1.0]], list(loaded.values()), name)["1", "0.5"]
            assert row.compared is not None
            one = row.compared.estimate
            assert (one.value, one.error, one.df) == pytest.approx(
                (alone.estimate.value, alone.estimate.error, alone.estimate.df)
            )
            assert row.gain == pytest.approx(row.figure - row.reference) == pytest.approx(row.compared.difference)
        assert [row.compared.p_holm for row in table.rows if row.compared] == pytest.approx(
            holm([row.compared.p for row in table.rows if row.compared])
        )
    pooled = {row.language: row for row in tables[1].rows}
    assert {code: row.verdict for code, row in pooled.items()} == {
        "en": "better", "de": "better", "th": "better", "sw": "worse",
    }  # fmt: skip
    assert (pooled["sw"].name, pooled["sw"].tiers) == ("Swahili", ("low", "unseen"))


@pytest.mark.parametrize(
    ("best", "ratios", "expected"),
    [
        (1.0, (0.0, 0.5, 1.0), "α = 0"),  # the fixed order, not the better one
        (0.25, (0.0, 0.25, 0.5), "α = 0"),
        (0.25, (0.25, 0.5, 0.75), "α = 0.5"),
        (0.25, (0.25, 0.75), None),
        (0.5, (0.5,), None),
    ],
)
def test_the_reference_is_fixed(tmp_path: Path, best: float, ratios: Sequence[float], expected: str | None) -> None:
    folder, bench = StudyFolder(tmp_path), toy()
    records = [
        write_trial(folder, {ALPHA: ratio}, 0, dict.fromkeys(CODES, 0.4 if ratio == best else 1.2), bench)
        for ratio in ratios
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    names = {(table.name, table.reference_name) for table in language_tables(folder, answer, settings, systems)}
    assert names == (set() if expected is None else {(f"α = {best:g}", expected)})


def test_equal_ratios_have_no_language_that_is_better_or_worse(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), toy()
    records = [
        write_trial(folder, {ALPHA: ratio}, seed, dict.fromkeys(CODES, 0.9), bench)
        for ratio in (0.0, 1.0)
        for seed in (0, 1, 2)
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    for table in language_tables(folder, answer, settings, systems):
        assert {row.verdict for row in table.rows} == {"not shown"}
        assert {row.gain for row in table.rows} == {0.0}


# Questions that moved -----------------------------------------------------------------------------------------


def test_questions_whose_worst_rank_moved_most(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = three_seeds
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    moved = moved_questions(folder, answer, settings, systems)
    worst: dict[tuple[str, str], dict[float, float]] = {}
    for ratio in (1.0, 0.5):
        read = [read_ranking(file)[0] for file in files_of(folder, records, ratio)]
        for row in range(len(read[0].group_q)):
            place = read[0].groups[read[0].group_q[row]], read[0].languages[read[0].language_q[row]]
            ranks_of_seeds = [one.pooled.rank_qr[row].max() for one in read if one.pooled is not None]
            worst.setdefault(place, {})[ratio] = float(np.exp(np.mean(np.log(ranks_of_seeds))))
    changes = {place: np.log2(both[0.5] / both[1.0]) for place, both in worst.items()}
    groups = {group for group, _ in worst}
    least = {group: min(changes[group, code] for code in CODES) for group in groups}
    most = {group: max(changes[group, code] for code in CODES) for group in groups}
    expected = [change for change in sorted(least.values()) if change < 0][:MOST_QUESTIONS]
    expected += [change for change in sorted(most.values(), reverse=True) if change > 0][:MOST_QUESTIONS]
    assert [np.log2(one.after / one.before) for one in moved] == pytest.approx(expected)
    assert len(moved) == 2 * MOST_QUESTIONS
    for one in moved:
        assert (one.before, one.after) == pytest.approx(
            (worst[one.group, one.language][1.0], worst[one.group, one.language][0.5])
        )
        assert (one.before_name, one.after_name, one.texts) == ("α = 1", "α = 0.5", None)
    assert {one.language for one in moved[MOST_QUESTIONS:]} == {"sw"}  # planted


def test_the_passage_is_the_worst_one_where_the_question_is_worse(tmp_path: Path) -> None:
    folder, bench = StudyFolder(tmp_path), toy(groups=["a", "b"])
    records = [write_trial(folder, {ALPHA: ratio}, 0, dict.fromkeys(CODES, 1.0), bench) for ratio in (0.0, 1.0)]
    place = {code: n for n, code in enumerate(CODES)}
    for record, before in zip(records, (True, False), strict=True):
        file = folder.trial(record.key).ranks
        ranking, tiers = read_ranking(file)
        assert ranking.pooled is not None
        rank_qr = np.ones_like(ranking.pooled.rank_qr)
        for row, (group, language) in enumerate(zip(ranking.group_q, ranking.language_q, strict=True)):
            if ranking.languages[language] == "de":
                code = "th" if group == 0 else "sw"
                column = ranking.relevant_language_qr[row].tolist().index(place[code])
                rank_qr[row, column] = 8 if (group == 0) == before else 2
        write_ranking(file, replace(ranking, pooled=replace(ranking.pooled, rank_qr=rank_qr)), tiers)
    systems = Systems()
    answer, settings = answered(folder, [replace(records[0], value=0.0), replace(records[1], value=1.0)], systems)
    better, worse = moved_questions(folder, answer, settings, systems)
    assert (better.group, better.language, better.passage_language) == ("a", "de", "th")
    assert (better.before, better.after) == (8, 2)
    assert (worse.group, worse.language, worse.passage_language) == ("b", "de", "sw")
    assert (worse.before, worse.after) == (2, 8)


# What there is ------------------------------------------------------------------------------------------------


def test_points_without_ranks_have_no_dot(tmp_path: Path) -> None:
    folder, records = study(tmp_path, (0, 1))
    for file in files_of(folder, records, 0.5)[:1] + files_of(folder, records, 1.0):
        file.unlink()
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    curves = ratio_curves(folder, answer, settings, systems)
    assert {dot.ratio for curve in curves for dot in curve.dots} == {0.0, 0.25}
    assert language_tables(folder, answer, settings, systems) == ()  # the best ratio is one of these
    assert moved_questions(folder, answer, settings, systems) == ()
    assert len(pair_matrices(folder, answer, settings, systems)) == 2


def test_a_study_without_a_trial_has_nothing_to_show(tmp_path: Path) -> None:
    folder, systems = StudyFolder(tmp_path), Systems()
    answer, settings = answered(folder, [], systems)
    for part in (ratio_curves, pair_matrices, language_tables, moved_questions):
        assert part(folder, answer, settings, systems) == ()


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    folder, records = study(tmp_path, (0,))
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    folder.trial(records[0].key).ranks.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match=r"ranks\.parquet: is no file of ranks, or is damaged"):
        ratio_curves(folder, answer, settings, systems)


def test_names_may_be_anything(tmp_path: Path) -> None:
    codes = ("zh-Hant", "<script>", "a/b", "en")
    groups = ["g0", "</td>|`x`", "=1+1", "é\n🙂", "x" * 500]
    tiers = {"high": frozenset({"zh-Hant", "en"}), "low": frozenset({"<script>", "a/b"})}
    folder, bench = StudyFolder(tmp_path), toy(codes, groups)
    records = [
        write_trial(folder, {ALPHA: ratio}, seed, dict.fromkeys(codes, stray), bench, tiers)
        for ratio, stray in ((0.0, 2.0), (1.0, 0.5))
        for seed in (0, 1)
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems)
    (first, _) = pair_matrices(folder, answer, settings, systems)
    assert first.languages == ("en", "zh-Hant", "<script>", "a/b")
    assert not np.isnan(first.value_qp).any()
    loaded = load_system("x", files_of(folder, records, 0.0))
    assert first.value_qp[1][1] == pytest.approx(float(loaded.values_sg("mono/map/zh-Hant").mean()))
    for table in language_tables(folder, answer, settings, systems):
        assert {row.language for row in table.rows} == set(codes)
        assert {row.name for row in table.rows} >= {"<script>", "a/b"}
    assert {one.group for one in moved_questions(folder, answer, settings, systems, texts=True)} <= set(groups)


def test_a_difference_counts_its_peers(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = three_seeds
    loaded = {ratio: load_system(f"{ratio:g}", files_of(folder, records, ratio), [0, 1, 2]) for ratio in NOISE}
    every = compare_each([loaded[0.0]], list(loaded.values()), MAP)["0", "1"].estimate
    value_sg = {system: system.values_sg(MAP) for system in loaded.values()}
    assert difference(loaded[0.0], loaded[1.0], value_sg) == every
    alone = {system: value_sg[system] for system in (loaded[0.0], loaded[1.0])}
    assert difference(loaded[0.0], loaded[1.0], alone).error != every.error


def test_the_end_of_a_run_reads_no_file_of_ranks_again(three_seeds: tuple[StudyFolder, list[TrialRecord]]) -> None:
    """The report has read all of them just before."""
    folder, records = three_seeds
    systems = Systems()
    _, settings = answered(folder, records, systems)
    read, lines = systems.read, StringIO()
    assert read
    end = End("python -m sweep", (len(records), len(records)), records, records, 1.0, True, systems)
    print_end(settings, folder, Shown(Console(file=lines, width=100)), end)
    assert "Done" in lines.getvalue()
    assert systems.read == read


def test_ranks_are_read_without_data_sets_and_data_frames() -> None:
    """`pyarrow.parquet.read_table` imports both: a quarter of a second of CPU."""
    code = (
        "import sys; from pathlib import Path; from sweep.evaluation.rank_file import read_ranking\n"
        "try: read_ranking(Path(sys.argv[1]))\nexcept Exception as error: print(type(error).__name__)\n"
        "print('pyarrow.dataset' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, __file__], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["InputError", "False"]
