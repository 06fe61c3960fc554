"""A study on several benchmarks, from its settings to its tables: figures of all of them, each from its own ranks."""

import csv
import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY, of_trials, rows
from tests.integration.test_evaluate import beir
from tests.integration.test_training_options import corpus
from tests.unit.test_model import of_family

from sweep.evaluation.cells import rank_cells
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.summarise import summarise
from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

AGAIN = (
    "+evaluation@benchmarks.again=cldr", "benchmarks.again.name=again", "benchmarks.again.seed=7",
    "benchmarks.again.records=14",
)  # fmt: skip
BY_AGAIN = "study.objectives=[{metric: again/cross/map/low, direction: maximize}]"
POINTS = ("ratio.monolingual=0.5,seed=0", "ratio.monolingual=1,seed=0")


def of(metrics: dict[str, float], benchmark: str) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if key.startswith(f"{benchmark}/")}


def test_a_study_on_two_benchmarks(sweep: Sweep, tmp_path: Path) -> None:
    first = sweep(*TINY, *AGAIN, BY_AGAIN)
    assert first.returncode == 0, first.stderr
    folder = StudyFolder(tmp_path / "sweeps/tiny")
    _check_trial(folder)
    _check_tables(first.stdout)
    _check_baselines(folder)
    (run,) = (run for run in of_trials(tmp_path / "sweeps") if run.data.tags["sweep.key"] == POINTS[0])
    metrics = json.loads(folder.trial(POINTS[0]).metrics.read_text())
    assert {"cldr/pooled/map", "again/pooled/map"} <= run.data.metrics.keys()
    assert run.data.metrics["again/pooled/map"] == pytest.approx(metrics["again/pooled/map"])
    client = MlflowClient(f"sqlite:///{tmp_path / 'sweeps/mlflow.db'}")
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"ranks.parquet", "ranks.again.parquet"} <= files

    _check_comparison(sweep, folder, tmp_path)
    _check_other_commands(sweep, folder)

    # The figures of the first benchmark are those of a study that has no other.
    alone = sweep(*TINY, "study.name=alone", "study.space={ratio.monolingual: {grid: [0.5]}}")
    assert alone.returncode == 0, alone.stderr
    only = StudyFolder(tmp_path / "sweeps/alone").trial(POINTS[0])
    assert json.loads(only.metrics.read_text()) == of(metrics, "cldr")
    assert not list(only.path.glob("ranks.*.parquet"))
    assert "benchmarks" not in json.loads(only.details.read_text())


def _check_trial(folder: StudyFolder) -> None:
    trial = folder.trial(POINTS[0])
    metrics = json.loads(trial.metrics.read_text())
    assert of(metrics, "cldr").keys() == {key.replace("again/", "cldr/") for key in of(metrics, "again")}
    assert of(metrics, "cldr") | of(metrics, "again") == metrics
    assert metrics["cldr/pooled/map"] != metrics["again/pooled/map"]
    for name, file, questions in (("cldr", "ranks.parquet", 12), ("again", "ranks.again.parquet", 14)):
        ranking, tiers = read_ranking(trial.path / file)
        assert (ranking.benchmark, len(ranking.groups)) == (name, questions)
        again = summarise(name, *rank_cells(ranking), {}, tiers).metrics
        assert again == {key: value for key, value in of(metrics, name).items() if "/geometry/" not in key}
        assert f"  {file}\n" in (trial.path / "SHA256SUMS").read_text()
    details = json.loads(trial.details.read_text())
    assert details["benchmarks"].keys() == {"again"}
    assert {"intervals", "benchmarks", *details["benchmarks"]["again"]} == details.keys()
    assert {"cldr/mono/map", "again/mono/map"} <= details["intervals"].keys()
    row = rows(folder.path)[0]
    assert float(row["again/mono/map"]) == metrics["again/mono/map"]
    assert float(row["cldr/mono/map"]) == metrics["cldr/mono/map"]


def _check_tables(printed: str) -> None:
    assert printed.index("cldr: one seed") < printed.index("again: one seed") < printed.index("Best by")
    assert "Best by again/cross/map/low (maximize): ratio.monolingual=" in printed
    assert "How sure: again/cross/map/low" in printed


def _check_baselines(folder: StudyFolder) -> None:
    baselines = folder.baselines()
    assert list(baselines) == ["chance", "n-grams"]
    for baseline in baselines.values():
        assert {"cldr/mono/map", "again/mono/map"} <= json.loads(baseline.metrics.read_text()).keys()
    assert read_ranking(baselines["n-grams"].ranks_of("again"))[0].benchmark == "again"


def _check_comparison(sweep: Sweep, folder: StudyFolder, tmp_path: Path) -> None:
    trials = [str(folder.trial(key).path) for key in POINTS]
    both = sweep(*trials, "--output", "both.csv", module="sweep.compare")
    assert both.returncode == 0, both.stderr
    assert "cldr: 12 translation groups" in both.stdout
    assert "again: 14 translation groups" in both.stdout
    with (tmp_path / "both.csv").open() as file:
        compared = {row["metric"]: row for row in csv.DictReader(file)}
    metrics = [json.loads(folder.trial(key).metrics.read_text()) for key in POINTS]
    for key in ("cldr/mono/map", "again/pooled/map"):
        values = [float(compared[key][side]) for side in ("reference_value", "system_value")]
        assert values == pytest.approx([one[key] for one in metrics])
    one = sweep(*trials, "--metric", "again/mono/map", "--metric", "mono/map", module="sweep.compare")
    assert "cldr: 12" in one.stdout
    assert "again: 14" in one.stdout
    lone = sweep(*trials, "--metric", "again/mono/map", module="sweep.compare")
    assert "cldr: 12" not in lone.stdout
    assert "again: 14" in lone.stdout
    ngrams = str(folder.baselines()["n-grams"].path)
    assert "again: 14" in sweep(ngrams, trials[0], module="sweep.compare").stdout


def _check_other_commands(sweep: Sweep, folder: StudyFolder) -> None:
    ranks = folder.trial(POINTS[0]).path / "ranks.again.parquet"
    before = ranks.stat().st_mtime_ns
    resumed = sweep(*TINY, *AGAIN, BY_AGAIN)
    assert resumed.returncode == 0, resumed.stderr
    assert "2 of 2 trials are done" in resumed.stdout
    assert "again: one seed" in resumed.stdout
    assert ranks.stat().st_mtime_ns == before
    listed = sweep("status", "tiny", module="sweep.studies")
    assert "best again/cross/map/low (maximize): " in listed.stdout
    without = sweep(*TINY)
    assert without.returncode == 2
    assert "benchmarks.again: only in the study" in without.stderr
    another = sweep(*TINY, *AGAIN, BY_AGAIN, "+evaluation@benchmarks.third=cldr", "benchmarks.third.name=third")
    assert another.returncode == 2
    assert "benchmarks.third: not in the study" in another.stderr
    content = ranks.read_bytes()
    ranks.unlink()
    damaged = sweep(*TINY, *AGAIN, BY_AGAIN)
    assert damaged.returncode == 1
    assert "ranks.again.parquet is missing" in damaged.stderr
    ranks.write_bytes(content)


def test_a_study_chooses_by_half_of_one_benchmark_and_reports_the_other_half_of_all(
    sweep: Sweep, tmp_path: Path, shared_mlflow: str
) -> None:
    again = (*AGAIN, "benchmarks.again.records=40", "evaluation.records=40")
    bound = "study.constraints=[{metric: cldr/mono/map, at_least: 0}]"
    done = sweep(*TINY, *again, BY_AGAIN, bound, "study.select_on=half", shared_mlflow)
    assert done.returncode == 0, done.stderr
    folder = StudyFolder(tmp_path / "sweeps/tiny")
    metrics = json.loads(folder.trial(POINTS[0]).metrics.read_text())
    assert {"again+select/cross/map/low", "cldr+select/mono/map"} <= metrics.keys()
    assert "cldr+select/cross/map/low" not in metrics
    assert {"again+report/pooled/map", "cldr+report/pooled/map"} <= metrics.keys()
    assert "cldr+report: one seed" in done.stdout
    assert "again+report: one seed" in done.stdout
    assert "Best by again+select/cross/map/low" in done.stdout
    # A table of what needs no training is of that half, too.
    tables = done.stdout.split("again+report: one seed")
    assert all("n-grams" in table and "chance" in table for table in tables)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (("study.objectives=[{metric: other/mono/map, direction: maximize}]",),
         "study.objectives: 'other/mono/map' is not a metric of this study's benchmarks; it must start with one of "
         "'cldr/', 'again/'"),
        (("study.objectives=[{metric: again/mono/map/xx, direction: maximize}]",),
         "study.objectives: 'again/mono/map/xx': there is no tier or language 'xx'"),
        (("benchmarks.again.debias=[shift]", "benchmarks.again.debias_pivot=fr"),
         "again: debias_pivot=fr is no language of the benchmark, which has en de ru sw te bg"),
    ],
)  # fmt: skip
def test_bad_input_of_a_further_benchmark_is_refused_before_anything_runs(
    sweep: Sweep, tmp_path: Path, overrides: tuple[str, ...], line: str
) -> None:
    done = sweep(*TINY, *AGAIN, *overrides)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "sweeps").exists()


def test_a_pretrained_model_on_benchmarks_of_two_protocols(
    sweep: Sweep, tmp_path: Path, cache: Path, shared_mlflow: str
) -> None:
    """Two processes; the second benchmark has one of the study's languages, and languages that are not ranked
    together, so that nothing with the language removed is evaluated there."""
    of_family("xlmr", tmp_path / "model", cache)
    corpus(tmp_path / "data")
    beir(tmp_path / "judged", ("en", "yo"), 80)
    done = sweep(
        "study.name=both", "train=finetune", "train.steps=2", "train.warmup_steps=0", "train.batch_size=6",
        "data=mlqa_r", "data.path=data", "languages=cldr_6", "languages.train=[en,de]",
        "languages.evaluate=[en,de,sw]", "evaluation.records=12", "+evaluation@benchmarks.judged=beir",
        "benchmarks.judged.path=judged", "benchmarks.judged.name=judged", "benchmarks.judged.split=test",
        "model=xlmr", "model.path=model", "model.restrict_vocabulary=true", "study.export=all",
        "launcher.workers=1", "launcher.threads=1", "launcher.processes=2", shared_mlflow,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = StudyFolder(tmp_path / "sweeps/both")
    assert "word embeddings" in folder.trial("seed=0").log.read_text()
    ranking, tiers = read_ranking(folder.trial("seed=0").ranks_of("judged"))
    assert (ranking.benchmark, ranking.languages, len(ranking.groups)) == ("judged", ("en",), 20)
    assert tiers == {"high": {"en"}, "seen": {"en"}, "seen_by_model": {"en"}}
    benchmarks = {
        name: {key.split("/")[0] for key in json.loads(baseline.metrics.read_text())}
        for name, baseline in folder.baselines().items()
    }
    both, first = {"cldr", "judged"}, {"cldr"}
    assert benchmarks == {
        "chance": both, "n-grams": first, "untouched": both, "center": first, "shift": first, "lir": first,
    }  # fmt: skip
    card = (folder.trial("seed=0").model / "README.md").read_text()
    assert card.index("Evaluation on cldr, no part") < card.index("Evaluation on judged, no part")
    metrics = json.loads(folder.trial("seed=0").metrics.read_text())
    assert f"| mono nDCG@10 | {metrics['judged/mono/ndcg@10']:.4f} " in card.replace("| nDCG@10", "| mono nDCG@10")
    compared = sweep(
        str(folder.baselines()["untouched"].path), str(folder.trial("seed=0").path), module="sweep.compare"
    )
    assert "judged: 20 translation groups" in compared.stdout
