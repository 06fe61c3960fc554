"""`python -m sweep.compare` and the table of how sure a study is, from files of ranks on the disk."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console
from scipy.stats import ttest_1samp

from sweep.answer.points import points_of
from sweep.answer.ratios import RatioRow, certainty_of
from sweep.commands.compare_results import main
from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.errors import InputError
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.comparison import Comparison, compare, compare_each, default_metrics, figure, load_system
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import read_ranking, write_ranking
from sweep.evaluation.summarise import summarise
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State
from sweep.report.certainty import print_certainty, verdicts
from sweep.settings import Objective, SearchSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.tree import config_folder
from sweep.statistics.crossed import estimate
from sweep.statistics.uncertainty import holm
from sweep.study.point import grid_points

GROUPS = 40
CODES = ("en", "de", "th")
TIERS = {"high": frozenset({"en", "de"}), "low": frozenset({"th"})}


def toy(codes: Sequence[str] = CODES, groups: int = GROUPS, name: str = "toy") -> Benchmark:
    """One question and one passage of every group in every language."""
    names = [f"g{number:02}" for number in range(groups)]
    return benchmark(
        name,
        tuple(codes),
        [Question(group, code, "") for group in names for code in codes],
        [Passage(f"{code}:{group}", code, "", group) for group in names for code in codes],
        {group: {f"{code}:{group}": 1 for code in codes} for group in names},
    )


def embeddings(bench: Benchmark, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Passages and questions of a group lie around one point; `noise` is how far a system's questions stray."""
    rng = np.random.default_rng(0)  # what systems share
    number = {group: place for place, group in enumerate(sorted({question.group for question in bench.questions}))}
    centre_gh = rng.normal(size=(len(number), 12))
    passage_dh = centre_gh[[number[passage.unit] for passage in bench.passages]]
    query_qh = centre_gh[[number[question.group] for question in bench.questions]]
    passage_dh = passage_dh + rng.normal(size=passage_dh.shape)
    query_qh = query_qh + noise * np.random.default_rng([1, seed]).normal(size=query_qh.shape)
    unit = [value_nh / np.linalg.norm(value_nh, axis=1, keepdims=True) for value_nh in (query_qh, passage_dh)]
    return unit[0].astype(np.float32), unit[1].astype(np.float32)


def result(folder: Path, noise: float, seed: int = 0, bench: Benchmark | None = None) -> Path:
    """A trial's folder with the ranks of a system with so much noise."""
    bench = toy() if bench is None else bench
    query_qh, passage_dh = embeddings(bench, noise, seed)
    found = rank_parallel(bench, query_qh, passage_dh, np.arange(len(passage_dh)))
    write_ranking(folder / "ranks.parquet", found, TIERS)
    return folder


def judged(folder: Path, index: str = "exact", depth: int = 1, languages: Sequence[str] = ("en", "de")) -> Path:
    """A monolingual result; German questions have no relevant passage."""
    names = [f"g{number}" for number in range(12)]
    bench = benchmark(
        "judged",
        tuple(languages),
        [Question(f"{code}{name}", code, "") for name in names for code in languages],
        [Passage(f"{code}:{name}", code, "", name) for name in names for code in languages],
        {f"en{name}": {f"en:{name}": 1} for name in names},
        "monolingual",
        unanswered=True,
    )
    rng = np.random.default_rng(0)
    query_qh = rng.normal(size=(12 * len(languages), 4)).astype(np.float32)
    passage_dh = rng.normal(size=query_qh.shape).astype(np.float32)
    for row, relevant in enumerate(bench.relevant_q[: len(query_qh) // 2]):
        passage_dh[relevant] = query_qh[row]  # half of the questions are easy
    search = SearchSettings.model_validate(
        {"index": index, "depth": depth, "lists": None, "probes": 1, "neighbours": 4}
    )
    found = rank_monolingual(bench, query_qh, passage_dh, np.arange(len(passage_dh)), search, folder)
    write_ranking(folder / "ranks.parquet", found, {})
    return folder


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`good` is `bad` with half of the noise; `same` is `bad` again."""
    folder = tmp_path_factory.mktemp("results")
    result(folder / "bad", 1.0)
    result(folder / "same", 1.0)
    result(folder / "good", 0.5)
    result(folder / "other_seed", 0.5, seed=1)
    return folder


# The comparison -----------------------------------------------------------------------------------------------


def test_the_better_system_is_found_better_and_an_equal_one_equal(results: Path) -> None:
    bad, same, good = (load_system(name, [results / name / "ranks.parquet"]) for name in ("bad", "same", "good"))
    for metric in ("mono/map", "cross/map", "pooled/map/low", "pooled/alignment_consistency", "agreement/rbo/en-th"):
        better, equal = compare(bad, [good, same], metric)
        assert (better.reference, better.system, better.metric) == ("bad", "good", metric)
        assert better.difference == pytest.approx(figure(good, metric).value - figure(bad, metric).value)
        assert 0 < better.interval[0] < better.difference < better.interval[1]
        assert better.p < 0.01
        assert better.p_holm == 2 * better.p
        assert (equal.difference, equal.interval, equal.p, equal.p_holm) == (0, (0, 0), 1, 1)
    (worse,) = compare(good, [bad], "pooled/rank_distance")
    assert worse.difference > worse.interval[0] > 0
    assert worse.p == worse.p_holm < 0.01


def test_figures_are_those_of_the_evaluation(results: Path) -> None:
    bench = toy()
    query_qh, passage_dh = embeddings(bench, 0.5, 0)
    counted = rank_cells(rank_parallel(bench, query_qh, passage_dh, np.arange(len(passage_dh))))
    expected = summarise("toy", *counted, {}, TIERS)
    good = load_system("good", [results / "good/ranks.parquet"])
    for metric in ("mono/map", "mono/map/th", "cross/recall@1/en-de", "pooled/rank_distance/low", "agreement/rbo"):
        found = figure(good, metric)
        assert found.value == pytest.approx(expected.metrics[f"toy/{metric}"], abs=1e-12)
        assert found.interval == pytest.approx(expected.intervals[f"toy/{metric}"], abs=1e-12)


def test_a_difference_is_paired(results: Path) -> None:
    """Questions are hard for both systems, so the difference is surer than the figures."""
    bad, good = (load_system(name, [results / name / "ranks.parquet"]) for name in ("bad", "good"))
    (found,) = compare(bad, [good], "pooled/map")
    widths = [figure(system, "pooled/map").interval for system in (bad, good)]
    assert found.interval[1] - found.interval[0] < sum((high - low) ** 2 for low, high in widths) ** 0.5


def test_seeds_are_averaged(results: Path) -> None:
    files = [results / "good/ranks.parquet", results / "other_seed/ranks.parquet"]
    both = load_system("both", files)
    alone = [load_system("one", [file]) for file in files]
    assert figure(both, "cross/map").value == pytest.approx(
        np.mean([figure(one, "cross/map").value for one in alone])
    )
    bad = load_system("bad", [results / "bad/ranks.parquet"])
    differences = [compare(bad, [system], "cross/map")[0].difference for system in (both, *alone)]
    assert differences[0] == pytest.approx(np.mean(differences[1:]))
    assert differences[1] != differences[2]


def test_a_chance_difference_is_mostly_no_evidence(tmp_path: Path) -> None:
    first = load_system("first", [result(tmp_path / "first", 1.0, 100) / "ranks.parquet"])
    others = [
        load_system(str(seed), [result(tmp_path / str(seed), 1.0, seed) / "ranks.parquet"]) for seed in range(8)
    ]
    found = compare(first, others, "pooled/map")
    assert all(one.p_holm > 0.05 for one in found)
    assert sum(one.interval[0] < 0 < one.interval[1] for one in found) >= 7
    assert all(one.p_holm >= one.p for one in found)


# What cannot be compared --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bench",
    [toy(groups=GROUPS - 1), toy(name="other"), toy(("en", "de"))],
    ids=["other groups", "another benchmark", "other languages"],
)
def test_different_questions_are_refused(bench: Benchmark, results: Path, tmp_path: Path) -> None:
    other = result(tmp_path / "other", 0.5, bench=bench)
    systems = [load_system("a", [results / "bad/ranks.parquet"]), load_system("b", [other / "ranks.parquet"])]
    with pytest.raises(InputError, match="b and a did not answer the same questions"):
        compare(systems[0], systems[1:], "mono/map")
    with pytest.raises(InputError, match=r"other/ranks\.parquet .* so they are no seeds of one system"):
        load_system("c", [results / "bad/ranks.parquet", other / "ranks.parquet"])


def test_different_tiers_are_refused_however_alike_the_ranks_are(results: Path, tmp_path: Path) -> None:
    ranking, _ = read_ranking(results / "bad/ranks.parquet")
    write_ranking(tmp_path / "ranks.parquet", ranking, {"high": frozenset({"en"}), "low": frozenset({"th", "de"})})
    systems = [load_system("a", [results / "bad/ranks.parquet"]), load_system("b", [tmp_path / "ranks.parquet"])]
    for metric in ("pooled/map/low", "pooled/map"):
        with pytest.raises(InputError) as caught:
            compare(systems[0], systems[1:], metric)
        assert str(caught.value) == "b and a differ in their tiers: high is de en or en; low is th or de th"
    with pytest.raises(InputError, match=r"ranks\.parquet differ in their tiers: high is de en or en; low is"):
        load_system("c", [results / "bad/ranks.parquet", tmp_path / "ranks.parquet"])


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("geometry/mexa", "'geometry/mexa': metrics of geometry come from embeddings, not from ranks"),
        ("mono/mapp", "'mono/mapp': bad has agreement/agree_correct@1, agreement/jaccard@10"),
        ("map", "'map': bad has agreement/agree_correct@1"),
        ("mono/map/fr", "'mono/map/fr': bad has no language, pair or tier 'fr'"),
        ("cross/map/en", "'cross/map/en': bad has no language, pair or tier 'en'"),
        ("other/mono/map", "'other/mono/map': bad has agreement"),
    ],
)
def test_unknown_metrics_are_refused(metric: str, message: str, results: Path) -> None:
    bad = load_system("bad", [results / "bad/ranks.parquet"])
    with pytest.raises(InputError) as caught:
        figure(bad, metric)
    assert str(caught.value).startswith(message)


def test_a_language_without_any_value_is_refused(tmp_path: Path) -> None:
    system = load_system("x", [judged(tmp_path / "x") / "ranks.parquet"])
    assert figure(system, "mono/map").value == figure(system, "mono/map/en").value > 0
    with pytest.raises(InputError, match="'mono/map/de': no question of x has a value"):
        figure(system, "mono/map/de")


def test_seeds_searched_to_different_depths_share_what_both_have(tmp_path: Path) -> None:
    folders = judged(tmp_path / "exact"), judged(tmp_path / "flat", "flat", 1)
    system = load_system("x", [folder / "ranks.parquet" for folder in folders])
    assert 0 < figure(system, "mono/recall@1").value < 1
    with pytest.raises(InputError, match=r"'mono/map': x has mono/recall@1$"):
        figure(system, "mono/map")
    assert default_metrics(system) == []


def test_default_metrics_are_those_that_the_benchmark_has(results: Path, tmp_path: Path) -> None:
    assert default_metrics(load_system("bad", [results / "bad/ranks.parquet"])) == [
        "mono/map", "cross/map", "cross/map/other_script", "pooled/map", "pooled/alignment_consistency",
        "pooled/alignment_consistency/low", "pooled/rank_distance",
    ]  # fmt: skip
    judged(tmp_path)
    assert default_metrics(load_system("x", [tmp_path / "ranks.parquet"])) == [
        "mono/map", "mono/ndcg@10", "mono/recall@100"
    ]  # fmt: skip


# The command --------------------------------------------------------------------------------------------------


def test_the_table_and_the_csv(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results)
    file = tmp_path / "new/out.csv"
    metrics = ["--metric", "toy/mono/map", "--metric", "pooled/rank_distance/low"]
    assert main(["bad", "tuned=good/ranks.parquet", "same", *metrics, "--output", str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "toy: 40 translation groups; reference: bad" in printed.out
    rows = table(file)
    assert [(row["metric"], row["reference"], row["system"]) for row in rows] == [
        (metric, "bad", system) for metric in ("mono/map", "pooled/rank_distance/low") for system in ("tuned", "same")
    ]
    systems = [load_system(name, [results / name / "ranks.parquet"]) for name in ("bad", "good", "same")]
    for metric, two in (("mono/map", rows[:2]), ("pooled/rank_distance/low", rows[2:])):
        for row, found in zip(two, compare(systems[0], systems[1:], metric), strict=True):
            base, value = float(row["reference_value"]), float(row["system_value"])
            assert base == figure(systems[0], metric).value
            assert value - base == pytest.approx(found.difference)
            assert float(row["difference"]) == found.difference
            assert (float(row["low"]), float(row["high"])) == found.interval
            assert (float(row["p"]), float(row["p_holm"])) == (found.p, found.p_holm)
    tuned = next(line for line in printed.out.splitlines() if "mono/map" in line and "tuned" in line)
    cells = re.split(r"\s{2,}", tuned.strip())
    first = {name: float(value) for name, value in rows[0].items() if name not in ("metric", "reference", "system")}
    (tuned_map, _) = compare(systems[0], systems[1:], "mono/map")
    assert (first["margin"], first["p_equal"]) == (0.01, tuned_map.estimate.p_equivalent(0.01))
    assert float(rows[1]["p_equal"]) == 0  # the same ranks
    assert [(row["margin"], row["p_equal"]) for row in rows[2:]] == [("", "")] * 2  # distances have no margin
    assert "p (equal): of two one-sided tests; small if the difference is within ±0.01." in printed.out
    assert cells == [
        "mono/map",
        "tuned",
        f"{first['reference_value']:.4f}",
        f"{first['system_value']:.4f}",
        f"{first['difference']:+.4f}",
        f"{first['low']:+.4f} to {first['high']:+.4f}",
        "<0.0001" if first["p"] < 0.0001 else f"{first['p']:.4f}",
        "<0.0001" if first["p_holm"] < 0.0001 else f"{first['p_holm']:.4f}",
        ">0.9999" if first["p_equal"] > 0.9999 else f"{first['p_equal']:.4f}",
    ]


def test_a_narrow_table_explains_the_columns_that_it_has_and_no_p_is_zero(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results)
    for columns, has_equal in (("80", False), ("140", True)):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["bad", "tuned=good", "same", "--metric", "mono/map"]) == 0
        printed = capsys.readouterr().out
        assert ("p (equal): of two one-sided tests" in printed) == has_equal
        assert ("Not shown in 80 columns" in printed) != has_equal
        assert max(len(line.rstrip()) for line in printed.splitlines() if line.startswith(" ")) <= int(columns)
        assert "0.0000" not in re.sub(r"[+-]0\.0000", "", printed)  # but differences
    assert "<0.0001" in printed


def test_names_are_no_formulas_in_a_spreadsheet(results: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    arguments = [f"-a+1={results / 'bad'}", f"@b={results / 'good'}", "--metric=mono/map", f"--output={file}"]
    assert main([arguments[2], arguments[3], "--", *arguments[:2]]) == 0
    assert (table(file)[0]["reference"], table(file)[0]["system"]) == ("'-a+1", "'@b")
    assert float(table(file)[0]["reference_value"]) > 0


def test_a_wide_margin_makes_all_equal(results: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    arguments = [str(results / "bad"), str(results / "good"), "--metric=mono/map", f"--output={file}"]
    assert main([*arguments, "--margin=1"]) == 0
    assert float(table(file)[0]["p_equal"]) < 1e-6
    for margin in ("0", "1.5", "wide"):
        with pytest.raises(SystemExit, match="2"):
            main([*arguments, f"--margin={margin}"])


def test_the_default_metrics_are_compared(results: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert main([str(results / "bad"), str(results / "good"), "--output", str(file)]) == 0
    assert [row["metric"] for row in table(file)] == default_metrics(load_system("", [results / "bad/ranks.parquet"]))


def test_results_of_evaluate_are_found_beside_their_metrics(results: Path, tmp_path: Path) -> None:
    for name in ("bad", "good"):
        (tmp_path / f"{name}.json").write_text("{}")
        (tmp_path / f"{name}.ranks.parquet").write_bytes((results / name / "ranks.parquet").read_bytes())
    file = tmp_path / "out.csv"
    status = main([str(tmp_path / "bad.json"), str(tmp_path / "good.json"), "--metric=mono/map", f"--output={file}"])
    assert status == 0
    assert float(table(file)[0]["difference"]) > 0


TRIALS = ("ratio.monolingual=0.5,seed=0", "ratio.monolingual=0.5,seed=1")


@pytest.mark.parametrize(
    ("given", "name", "seeds"),
    [
        ("{trials}/{0}", "{trials}/{0}", 1),
        ("{trials}/{0}/ranks.parquet", "{trials}/{0}/ranks.parquet", 1),
        ("half={trials}/{0}", "half", 1),
        ("half={trials}/{0},{trials}/{1}", "half", 2),
        ("alpha 0.5={trials}/{0},{trials}/{1}/ranks.parquet", "alpha 0.5", 2),
        ("{trials}/{0},{trials}/{1}", "{trials}/{0},{trials}/{1}", 2),
        ("{0}", "{0}", 1),
        ("{0},{1}", "{0},{1}", 2),
        ("half={0}", "half", 1),
        ("half={0},{1}", "half", 2),
        ("half={1},{0},plain", "half", 3),
    ],
)
def test_names_seeds_and_paths_with_commas_and_equals_signs(
    given: str, name: str, seeds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [result(tmp_path / trial, 0.5, seed) for seed, trial in enumerate((*TRIALS, "plain"))]
    reference = result(tmp_path / "reference", 1.0)
    (tmp_path / TRIALS[0].split(",")[0]).mkdir()  # the longest path that exists is meant
    order = [1, 0, 2] if seeds == 3 else list(range(seeds))
    given, name = (text.format(*TRIALS, trials=tmp_path) for text in (given, name))
    monkeypatch.chdir(tmp_path)
    assert main(["reference", given, "--metric=mono/map", "--output=out.csv"]) == 0
    (row,) = table(tmp_path / "out.csv")
    expected = load_system("expected", [folders[place] / "ranks.parquet" for place in order])
    (found,) = compare(load_system("reference", [reference / "ranks.parquet"]), [expected], "mono/map")
    assert row["system"] == name
    assert (float(row["difference"]), float(row["low"]), float(row["p"])) == (
        found.difference,
        found.interval[0],
        found.p,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bad", "absent"], "error: no such result: absent; give a trial's folder"),
        (["bad", "x=absent/ranks.parquet"], "error: no such result: absent/ranks.parquet;"),
        (["bad", "x=good,absent"], "error: no such result: good,absent;"),
        (["bad", "unfinished"], "error: unfinished: has no file of ranks (unfinished/ranks.parquet)"),
        (["bad", "metrics.json"], "error: metrics.json: has no file of ranks (metrics.ranks.parquet)"),
        (["bad", "note.txt"], "error: note.txt: is no file of ranks, or is damaged"),
        (["bad", "bad"], "error: two results have the same name; give them names: NAME=bad"),
        (["x=bad", "x=good"], "error: two results have the same name"),
        (["bad", "good", "--metric=mono/mapp"], "error: 'mono/mapp': bad has agreement"),
        (["bad", "good", "--metric=geometry/mexa"], "error: 'geometry/mexa': metrics of geometry come from"),
        (["bad", "smaller"], "error: smaller and bad did not answer the same questions"),
        (["bad", "tiers"], "error: tiers and bad differ in their tiers: high is de en or en; low is th or de th"),
        (["bad", "bad,smaller"], "error: smaller/ranks.parquet and bad/ranks.parquet are not of the same questions"),
    ],
)
def test_bad_input_is_one_message_and_status_2(
    arguments: list[str],
    message: str,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("bad", "good"):
        (tmp_path / name).symlink_to(results / name)
    result(tmp_path / "smaller", 0.5, bench=toy(groups=GROUPS - 1))
    ranking, _ = read_ranking(results / "bad/ranks.parquet")
    write_ranking(
        tmp_path / "tiers/ranks.parquet", ranking, {"high": frozenset({"en"}), "low": frozenset({"th", "de"})}
    )
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "note.txt").write_text("no ranks")
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--output=out.csv"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_table_that_cannot_be_written_is_status_1(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.csv").mkdir()
    arguments = [str(results / "bad"), str(results / "good"), "--metric=mono/map"]
    assert main([*arguments, f"--output={tmp_path / 'out.csv'}"]) == 1
    assert "out.csv: cannot be written (Is a directory)" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(results / "bad")])


# How sure a study is ------------------------------------------------------------------------------------------

MAXIMIZE = Objective(metric="toy/pooled/map", direction="maximize")
NOISE = {0.0: 0.8, 0.25: 0.6, 0.5: 0.4, 1.0: 1.2}  # of each ratio


def trial(
    folder: StudyFolder, ratio: float, seed: int, noise: float | None, state: State = "COMPLETE", **others: str
) -> TrialRecord:
    """A trial, with its file of ranks unless there is no `noise`."""
    parameters = {"ratio.monolingual": ratio, **{name.replace("_", "."): value for name, value in others.items()}}
    key = ",".join([*(f"{path}={value}" for path, value in parameters.items()), f"seed={seed}"])
    if noise is not None:
        result(folder.trial(key).path, noise, seed)
    return TrialRecord(key, seed, seed, state, parameters)


def study(path: Path, noises: dict[float, float] = NOISE, seeds: int = 2) -> tuple[StudyFolder, list[TrialRecord]]:
    folder = StudyFolder(path)
    return folder, [trial(folder, ratio, seed, noise) for seed in range(seeds) for ratio, noise in noises.items()]


def ratio_rows(
    folder: StudyFolder, records: Sequence[TrialRecord], objective: Objective, benchmark: str
) -> dict[str, tuple[RatioRow, ...]]:
    certainty = certainty_of(folder, points_of(records), objective, benchmark)
    return {table.others: table.rows for table in certainty.tables}


def test_ratios_against_the_single_kinds_and_one_half(tmp_path: Path) -> None:
    folder, records = study(tmp_path)
    found = ratio_rows(folder, records[::-1], MAXIMIZE, "toy")
    assert list(found) == [""]
    rows = {row.ratio: row for row in found[""]}
    assert list(rows) == [0.0, 0.25, 0.5, 1.0]
    for ratio, row in rows.items():
        assert row.seeds == 2
        assert list(row.against) == ["0", "0.5", "1"]
        for reference, comparison in row.against.items():
            assert (comparison is None) == (ratio == float(reference))
            if comparison is not None:
                difference = row.figure.value - rows[float(reference)].figure.value
                assert comparison.difference == pytest.approx(difference)
                assert (comparison.metric, comparison.reference) == ("pooled/map", reference)
    files: dict[float, list[Path]] = {}
    for record in records[::-1]:
        files.setdefault(record.parameters["ratio.monolingual"], []).append(folder.trial(record.key).ranks)
    systems = {ratio: load_system(f"{ratio:g}", of_ratio, [1, 0]) for ratio, of_ratio in files.items()}
    expected = compare_each([systems[ratio] for ratio in (0.0, 0.5, 1.0)], list(systems.values()), "pooled/map")
    for ratio, row in rows.items():
        assert row.figure == figure(systems[ratio], "pooled/map", list(systems.values()))
        assert row.figure != figure(systems[ratio], "pooled/map")  # two seeds lean on those of the other ratios
        for reference, comparison in row.against.items():
            if comparison is not None:
                assert comparison == expected[reference, f"{ratio:g}"]


def test_holm_is_over_every_pair_that_the_table_shows_once(tmp_path: Path) -> None:
    folder, records = study(tmp_path)
    (rows,) = ratio_rows(folder, records, MAXIMIZE, "toy").values()
    shown = [one for row in rows for one in row.against.values() if one is not None]
    pairs = {frozenset((one.reference, one.system)): one for one in shown}
    assert (len(shown), len(pairs)) == (9, 6)  # 0, 0.5 and 1 among each other are shown from both sides
    corrected = holm([one.p for one in pairs.values()])
    assert [one.p_holm for one in pairs.values()] == pytest.approx(corrected)
    for one in shown:
        other = pairs[frozenset((one.reference, one.system))]
        assert (one.p, one.p_holm, abs(one.difference)) == (other.p, other.p_holm, abs(other.difference))


def test_a_table_and_its_p_cannot_disagree(tmp_path: Path) -> None:
    for seeds in (1, 2, 3):
        folder, records = study(tmp_path / str(seeds), seeds=seeds)
        (rows,) = ratio_rows(folder, records, MAXIMIZE, "toy").values()
        for one in (one for row in rows for one in row.against.values() if one is not None):
            low, high = one.interval
            assert (low <= 0 <= high) == (one.p >= 0.05)


def test_two_sets_of_seeds_of_one_setting_are_rarely_told_apart(tmp_path: Path) -> None:
    """Noise of a training that all questions share is noise between seeds: questions alone would not see it."""
    rng = np.random.default_rng(0)
    noise_s = rng.uniform(0.6, 1.4, 12)
    files = [result(tmp_path / str(seed), noise, seed) / "ranks.parquet" for seed, noise in enumerate(noise_s)]
    seen, alone = 0, 0
    for _ in range(30):
        drawn = [int(seed) for seed in rng.permutation(12)[:6]]
        one, two = (load_system(str(half), [files[seed] for seed in half], half) for half in (drawn[:3], drawn[3:]))
        seen += compare(one, [two], "pooled/map")[0].p < 0.05
        averaged_g = two.values_sg("pooled/map").mean(0) - one.values_sg("pooled/map").mean(0)
        alone += bool(ttest_1samp(averaged_g, 0.0).pvalue < 0.05)
    assert seen <= 4
    assert alone >= 9


def test_references_are_those_that_the_study_has(tmp_path: Path) -> None:
    for noises, references in (
        ({0.0: 0.8, 0.25: 0.6}, ["0"]),
        ({0.25: 0.8, 0.5: 0.6}, ["0.5"]),
        ({0.25: 0.8, 0.75: 0.6}, []),
        ({1.0: 0.8, 0.75: 0.6, 0.5: 0.7}, ["0.5", "1"]),
    ):
        folder, records = study(tmp_path / str(noises), noises, seeds=1)
        (rows,) = ratio_rows(folder, records, MAXIMIZE, "toy").values()
        assert [list(row.against) for row in rows] == [references] * len(noises)


def test_other_searched_values_make_tables_of_their_own(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    records = [
        trial(folder, ratio, 0, noise * scale, train_decay=decay)
        for decay, scale in (("linear", 1.0), ("cosine", 2.0))
        for ratio, noise in ((0.0, 0.3), (0.5, 0.2))
    ]
    found = ratio_rows(folder, records, MAXIMIZE, "toy")
    assert set(found) == {"train.decay=linear", "train.decay=cosine"}
    assert all([row.ratio for row in rows] == [0.0, 0.5] for rows in found.values())
    assert found["train.decay=linear"][0].figure.value > found["train.decay=cosine"][0].figure.value


def test_what_has_no_ranks_is_left_out(tmp_path: Path) -> None:
    folder, records = study(tmp_path, {0.0: 0.8, 0.5: 0.4, 1.0: 1.2}, seeds=2)
    folder.trial(records[2].key).ranks.unlink()  # one of the two seeds of ratio 1
    assert records[2].parameters == {"ratio.monolingual": 1.0}
    records.append(trial(folder, 0.25, 0, None))
    records.append(trial(folder, 0.75, 0, 0.1, "FAILED"))
    records.append(trial(folder, 0.5, 2, None, "RUNNING"))
    without_ratio = TrialRecord("seed=0", 9, 0, "COMPLETE", {"train.steps": 5})
    result(folder.trial("seed=0").path, 0.1)
    (rows,) = ratio_rows(folder, [*records, without_ratio], MAXIMIZE, "toy").values()
    assert [(row.ratio, row.seeds) for row in rows] == [(0.0, 2), (0.5, 2)]
    geometry = Objective(metric="toy/geometry/mexa", direction="maximize")
    assert ratio_rows(folder, records, geometry, "toy") == {}
    assert ratio_rows(StudyFolder(tmp_path / "none"), records, MAXIMIZE, "toy") == {}


def searched(
    folder: StudyFolder, space: str, noises: Sequence[float], *overrides: str, config_dir: str | None = None
) -> list[TrialRecord]:
    """The trials of a grid, with the configurations that a worker composes for them, and with ranks."""
    composer = Composer("sweep", [f"study.space={space}", *overrides], config_dir)
    records = []
    for point, noise in zip(grid_points(load_settings(composer).study), noises, strict=True):
        result(folder.trial(point.key).path, noise, point.seed)
        settings = load_settings(composer, point.assignments)
        folder.trial(point.key).config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
        records.append(TrialRecord(point.key, len(records), point.seed, "COMPLETE", point.values))
    return records


def test_ratios_of_a_searched_config_group(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    space = "{ratio: {grid: [monolingual, crosslingual, hybrid]}}"
    records = searched(folder, space, (1.2, 1.2, 0.8, 0.8, 0.4, 0.4), "study.seeds=[0,1]")
    (rows,) = ratio_rows(folder, records, MAXIMIZE, "toy").values()
    assert [(row.ratio, row.seeds) for row in rows] == [(0.0, 2), (0.5, 2), (1.0, 2)]
    assert all(list(row.against) == ["0", "0.5", "1"] for row in rows)
    hybrid = load_system("0.5", [folder.trial(f"ratio=hybrid,seed={seed}").ranks for seed in (0, 1)])
    assert rows[1].figure.value == figure(hybrid, "pooled/map").value
    rows_of_ratios = [line.split()[0] for line in printed(folder, records) if line.strip()[:1].isdigit()]
    assert rows_of_ratios == ["0", "0.5", "1", "0.5", "1", "1"]
    folder.trial("ratio=hybrid,seed=0").config.unlink()  # as studies of earlier versions may have it
    (rows,) = ratio_rows(folder, records, MAXIMIZE, "toy").values()
    assert [row.ratio for row in rows] == [0.0, 1.0]


def test_choices_of_a_group_that_differ_in_more_than_the_ratio_make_tables_of_their_own(tmp_path: Path) -> None:
    folder, config = StudyFolder(tmp_path / "study"), tmp_path / "config"
    (config / "ratio").mkdir(parents=True)
    shipped = yaml.safe_load((config_folder() / "ratio" / "hybrid.yaml").read_text())
    for name, ratio, batch in (("a", 0.0, "pair"), ("b", 0.5, "pair"), ("c", 0.0, "mixed"), ("d", 0.5, "mixed")):
        choice = {**shipped, "monolingual": ratio, "cross_batch": batch}
        (config / "ratio" / f"{name}.yaml").write_text(yaml.safe_dump(choice))
    records = searched(folder, "{ratio: {grid: [a, b, c, d]}}", (0.8, 0.4, 0.7, 0.5), config_dir=str(config))
    tables = ratio_rows(folder, records, MAXIMIZE, "toy")
    assert {others: [row.ratio for row in rows] for others, rows in tables.items()} == {
        "ratio.cross_batch=pair": [0.0, 0.5],
        "ratio.cross_batch=mixed": [0.0, 0.5],
    }


def test_a_searched_group_is_no_ratio_where_the_ratio_itself_is_searched(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    space = "{ratio: {grid: [monolingual, hybrid]}, ratio.monolingual: {grid: [0.0, 1.0]}}"
    records = searched(folder, space, (0.8, 0.4, 0.7, 0.5))
    tables = ratio_rows(folder, records, MAXIMIZE, "toy")
    assert {others: [row.ratio for row in rows] for others, rows in tables.items()} == {
        "ratio=monolingual": [0.0, 1.0],
        "ratio=hybrid": [0.0, 1.0],
    }


def test_figures_that_do_not_come_from_ranks_have_no_tables(tmp_path: Path) -> None:
    folder, records = study(tmp_path, seeds=1)
    for metric in ("toy/geometry/mexa", "toy/mono/left_out"):
        assert ratio_rows(folder, records, Objective(metric=metric, direction="maximize"), "toy") == {}


def printed(folder: StudyFolder, records: list[TrialRecord], objective: Objective = MAXIMIZE) -> list[str]:
    console = Console(width=140, file=StringIO())
    print_certainty(console, certainty_of(folder, points_of(records), objective, "toy"), objective)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_the_printed_table(tmp_path: Path) -> None:
    folder, records = study(tmp_path)
    lines = printed(folder, records)
    assert lines[0].strip() == "How sure: toy/pooled/map, 95 % intervals over questions and 2 seeds"
    rows = ratio_rows(folder, records, MAXIMIZE, "toy")[""]
    split = next(place for place, line in enumerate(lines) if line.startswith("Differences; p is corrected"))
    assert [line.split() for line in lines[1:split] if line.strip()[:1].isdigit()] == [
        [f"{row.ratio:g}", f"{row.figure.value:.3f}", *interval(row.figure.interval, "")] for row in rows
    ]
    assert " ".join(lines[split + 2].split()) == "ratio.monolingual against difference 95 % p (Holm)"
    differences = [line.split() for line in lines[split:] if line.strip()[:1].isdigit()]
    pairs = [("0.25", "0"), ("0.5", "0"), ("1", "0"), ("0.25", "0.5"), ("1", "0.5"), ("0.25", "1")]
    by_ratio = {f"{row.ratio:g}": row for row in rows}
    assert differences == [compared(name, reference, by_ratio[name].against[reference]) for name, reference in pairs]


def interval(ends: tuple[float, float], sign: str) -> list[str]:
    return [f"{ends[0]:{sign}.3f}", "to", f"{ends[1]:{sign}.3f}"]


def compared(name: str, reference: str, comparison: Comparison | None) -> list[str]:
    """A printed row."""
    assert comparison is not None
    p = f"{comparison.p_holm:.4f}" if comparison.p_holm >= 0.0001 else "<0.0001"
    return [name, reference, f"{comparison.difference:+.3f}", *interval(comparison.interval, "+"), p]


def test_every_ratio_is_compared_with_what_needs_no_training(tmp_path: Path) -> None:
    """Its seeds are those of the trained side alone; Holm counts these comparisons with the others."""
    folder, records = study(tmp_path, {0.0: 0.4, 0.5: 0.6, 1.0: 2.0}, seeds=3)
    for name, noise in (("lir", 0.9), ("untouched", 1.5), ("n-grams", 2.5)):
        baseline = folder.path / "baselines" / f"{name}-0123456789ab"
        result(baseline, noise, 9)
        (baseline / "metrics.json").write_text("{}")
    (ratios,) = certainty_of(folder, points_of(records), MAXIMIZE, "toy").tables
    assert ratios.rival == "lir"
    assert list(ratios.baselines) == ["n-grams", "untouched", "lir"]
    lir = load_system("lir", [folder.baselines()["lir"].ranks])
    assert ratios.baselines["lir"] == figure(lir, "pooled/map")
    shown = []
    for row in ratios.rows:
        trained = load_system("x", [folder.trial(record.key).ranks for record in records if record.parameters == {
            "ratio.monolingual": row.ratio}])  # fmt: skip
        assert row.against_rival is not None
        expected = estimate(trained.values_sg("pooled/map") - lir.values_sg("pooled/map"))
        assert row.against_rival.estimate == expected
        shown.append(row.against_rival)
    pairs = {
        frozenset((name, f"{row.ratio:g}")): one for row in ratios.rows for name, one in row.against.items() if one
    }
    every = [*pairs.values(), *shown]
    assert [one.p_holm for one in every] == pytest.approx(holm([one.p for one in every]))
    lines = printed(folder, records)
    assert [line.split()[1] for line in lines if line.strip()[:1].isdigit()][-3:] == ["lir"] * 3
    named = [line.split()[0] for line in lines if line.strip().startswith(("n-grams", "untouched", "lir"))]
    assert named == ["n-grams", "untouched", "lir"]
    text = " ".join(lines)
    assert "Shown to beat lir, which needs no training (p < 0.05 after Holm): 0, 0.5" in text
    assert "Not shown to beat lir, which needs no training: 1" in text


def test_what_the_table_comes_to(tmp_path: Path) -> None:
    folder, records = study(tmp_path, {0.0: 0.5, 0.25: 0.5, 0.5: 0.52, 1.0: 2.0}, seeds=3)
    (ratios,) = certainty_of(folder, points_of(records), MAXIMIZE, "toy", 0.2).tables
    assert ratios.best == (0.0, 0.25, 0.5)
    assert ratios.cross_fitted is not None
    assert max(row.figure.value for row in ratios.rows) + 0.02 > ratios.cross_fitted
    lines = verdicts(ratios, MAXIMIZE)
    assert lines[0] == "May be best at 95 %: ratio.monolingual in {0, 0.25, 0.5}"
    assert lines[1].startswith(f"Figure of the best of 4, cross-fitted: {ratios.cross_fitted:.3f} (")
    assert lines[2] == "Equal within 0.2 (two one-sided tests, p < 0.05): 0.25 and 0, 0.5 and 0"
    assert verdicts(replace(ratios, margin=1e-6), MAXIMIZE) == lines[:2]
    assert [line.strip() for line in printed(folder, records)][-2:] == lines[:2]
    minimize = Objective(metric="toy/pooled/rank_distance", direction="minimize")
    (distances,) = certainty_of(folder, points_of(records), minimize, "toy", 0.2).tables
    assert (distances.best, distances.margin) == ((0.0, 0.25, 0.5), None)


def test_a_point_with_a_dropped_seed_is_not_among_the_best(tmp_path: Path) -> None:
    folder, records = study(tmp_path, {0.0: 0.5, 0.25: 0.7, 1.0: 2.0}, seeds=3)
    assert records[6].parameters == {"ratio.monolingual": 0.0}
    pruned = [*records[:6], replace(records[6], state="PRUNED"), *records[7:]]
    (ratios,) = certainty_of(folder, points_of(pruned), MAXIMIZE, "toy").tables
    assert (ratios.best, ratios.complete) == ((0.25,), 2)
    assert ratios.rows[0].seeds == 2  # its row stays
    assert ratios.rows[0].figure.value > ratios.rows[1].figure.value


def test_with_one_seed_nothing_is_said_about_ratios(tmp_path: Path) -> None:
    folder, records = study(tmp_path, seeds=1)
    lines = printed(folder, records)
    assert "Differences between these trained models; p is corrected for all of this table" in " ".join(lines)
    assert lines[-1].startswith("One seed: the p-values compare these trained models; nothing is said about the")
    assert "May be best" not in " ".join(lines)


def test_two_seeds_are_approximate_with_three_ratios(tmp_path: Path) -> None:
    folder, records = study(tmp_path)
    assert printed(folder, records)[-1].startswith("Two seeds: intervals and p are approximate, the variance")
    assert printed(folder, records[:2] + records[4:6])[-1] == "Two seeds: intervals and p are approximate."


def test_one_seed_and_other_values_are_in_the_title(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    records = [trial(folder, ratio, 0, 0.5, train_decay="linear") for ratio in (0.0, 0.5)]
    lines = printed(folder, records)
    title = "How sure: toy/pooled/map, 95 % intervals over questions, one seed, train.decay=linear"
    assert " ".join(" ".join(lines[:4]).split()).startswith(title)
    assert printed(folder, records[:1]) == []  # a single ratio has nothing to be compared with


def test_of_a_large_study_the_best_combinations_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(tmp_path)
    records = [
        replace(trial(folder, ratio, 0, 0.5, train_decay=decay), value=value)
        for decay, value in (("linear", 0.1), ("cosine", 0.3), ("none", 0.2))
        for ratio in (0.0, 0.5)
    ]
    records.append(trial(folder, 0.5, 0, 0.5, train_decay="alone"))  # nothing to be compared with
    monkeypatch.setattr("sweep.answer.ratios.MOST_TRIALS", 5)
    assert list(ratio_rows(folder, records, MAXIMIZE, "toy")) == ["train.decay=cosine", "train.decay=none"]
    minimize = Objective(metric="toy/pooled/map", direction="minimize")
    assert list(ratio_rows(folder, records, minimize, "toy")) == ["train.decay=linear", "train.decay=none"]
    assert "at most 5 trials" in " ".join(printed(folder, records))
    assert "at most" not in " ".join(printed(folder, records[:5]))
