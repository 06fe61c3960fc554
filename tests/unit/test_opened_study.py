"""`from sweep import open_study`: a real study in frames, and studies that were written without training."""

import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.integration.commands import TINY
from tests.unit import shown_numbers
from tests.unit.test_studies import OBJECTIVE, make

import sweep
from sweep import OpenedStudy, open_study
from sweep.errors import InputError, SweepError
from sweep.launch.driver_lock import only_driver
from sweep.records.folder import StudyFolder
from sweep.settings.earlier import SINCE

pytestmark = pytest.mark.slow
METRIC = "cldr/pooled/map"
RATIO = "ratio.monolingual"
GRID = ("study.space={ratio.monolingual: {grid: [0, 0.5, 1]}}", "study.seeds=[0,1]", "train.steps=3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cache: Path, shared_mlflow: str) -> Path:
    """A study of three ratios and two seeds that was run."""
    where = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        patch.setenv("SWEEP_CACHE", str(cache))
        from sweep.commands.run_study import main

        goal = f"study.objectives=[{{metric: {METRIC}, direction: maximize}}]"
        assert main([*TINY, *GRID, goal, shared_mlflow]) == 0
    return where / "sweeps" / "tiny"


@pytest.fixture
def study(folder: Path) -> Iterator[OpenedStudy]:
    with open_study(folder) as opened:
        yield opened


def test_a_study_is_opened_by_its_path_or_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parents[1])
    for given in (folder, str(folder), "sweeps/tiny", "tiny", Path("sweeps") / "tiny"):
        with open_study(given) as opened:
            assert opened.path == folder.resolve()
            assert repr(opened) == "<study 'tiny': complete, 6 of 6 trials finished>"
            assert opened.settings.train.steps == 3


def test_trials_have_their_points_and_objectives(study: OpenedStudy) -> None:
    trials = study.trials
    assert list(trials.columns) == [
        "key", "number", "state", "seed", RATIO, "objective", "duration_s", "attempts", "reason"
    ]  # fmt: skip
    assert trials.state.tolist() == ["COMPLETE"] * 6
    assert trials[RATIO].tolist() == [0, 0, 0.5, 0.5, 1, 1]
    assert trials.key[3] == "ratio.monolingual=0.5,seed=1"
    kept = json.loads((study.path / "trials" / trials.key[3] / "metrics.json").read_text())
    assert trials.objective[3] == kept[METRIC]


def test_metrics_are_those_of_the_files(study: OpenedStudy) -> None:
    metrics = study.metrics
    assert list(metrics.columns) == ["trial", "benchmark", "family", "metric", "part", "value"]
    for key, own in metrics.groupby("trial", observed=True):
        names = [
            "/".join(filter(None, row))
            for row in own[["benchmark", "family", "metric", "part"]].astype(str).to_numpy()
        ]
        kept = json.loads((study.path / "trials" / str(key) / "metrics.json").read_text())
        assert dict(zip(names, own.value, strict=True)) == {
            name: value for name, value in kept.items() if not np.isnan(value)
        }
    wide = metrics[(metrics.family == "mono") & (metrics.metric == "map")].pivot(
        index="trial", columns="part", values="value"
    )
    values = study.values("mono/map/en", "cldr/mono/map")
    assert values["mono/map/en"].tolist() == wide.loc[values.trial, "en"].tolist()
    assert values["cldr/mono/map"].tolist() == wide.loc[values.trial, ""].tolist()


def test_points_and_comparisons_are_those_of_the_answer(study: OpenedStudy) -> None:
    (table,) = study.answer.certainty.tables
    points = study.points
    assert points[RATIO].tolist() == [row.ratio for row in table.rows]
    assert points[["low", "high"]].to_numpy().tolist() == pytest.approx(
        np.array([row.figure.interval for row in table.rows])
    )
    assert points["mean"].tolist() == pytest.approx([row.figure.value for row in table.rows])
    by_seed = study.trials.groupby(RATIO).objective
    assert points["mean"].tolist() == pytest.approx(by_seed.mean().tolist())
    assert points["sd"].tolist() == pytest.approx(by_seed.std().tolist())
    compared = study.comparisons()
    expected = {
        (reference, f"{row.ratio:g}"): one
        for row in table.rows
        for reference, one in {**row.against, table.rival: row.against_rival}.items()
        if one is not None
    }
    for row in compared.itertuples():
        one = expected[row.reference, row.system]
        assert (row.difference, row.low, row.high, row.p, row.p_holm) == (
            one.difference, *one.interval, one.p, one.p_holm
        )  # fmt: skip
    assert {frozenset(pair) for pair in expected} == {
        frozenset(pair) for pair in compared[["reference", "system"]].to_numpy()
    }
    assert len(compared) == len({frozenset(pair) for pair in expected})  # each pair once


def test_comparisons_by_another_metric_and_reference(study: OpenedStudy) -> None:
    compared = study.comparisons("mono/map", reference=0.5)
    assert compared.system.tolist() == ["0", "1"]
    assert set(compared.reference) == {"0.5"}
    assert set(compared.metric) == {"mono/map"}
    means = study.values("mono/map").groupby(study.trials[RATIO])["mono/map"].mean()
    assert compared.difference.tolist() == pytest.approx([means[0] - means[0.5], means[1] - means[0.5]])
    assert compared.over_seeds.all()
    largest = compared.p.max()
    assert compared.p_holm.max() >= largest
    assert (compared.p_holm >= compared.p).all()
    assert study.comparisons("cross/map/en-de", reference="n-grams").system.tolist() == ["0", "0.5", "1"]


def test_figures_of_geometry_have_no_interval(study: OpenedStudy) -> None:
    figures = study.figures("geometry/mexa")
    assert figures.low.isna().all()
    assert figures["mean"].notna().all()


def test_ranks_give_the_metric_back(study: OpenedStudy) -> None:
    """Precision at the only relevant passage of each language is 1 / rank: mAP of the monolingual pool."""
    key = study.trials.key[0]
    ranks = study.ranks(key)
    assert list(ranks.columns) == [
        "group", "question_language", "passage_language", "grade", "own_rank", "pooled_rank"
    ]  # fmt: skip
    same = ranks[ranks.question_language.astype(str) == ranks.passage_language.astype(str)]
    precision = 1 / same.own_rank.astype(float)
    by_language = precision.groupby(same.question_language, observed=True).mean()
    assert by_language["en"] == pytest.approx(study.values("mono/map/en")["mono/map/en"][0])
    assert by_language.mean() == pytest.approx(study.values("mono/map")["mono/map"][0])
    assert (ranks.pooled_rank >= ranks.own_rank).all()
    assert len(study.ranks("n-grams")) == len(ranks)


def test_the_report_is_put_together_from_the_same_figures(study: OpenedStudy) -> None:
    report = study.report(texts=False)
    assert (report.name, report.state, report.finished, report.target) == ("tiny", "complete", 6, 6)
    assert report.answer == study.answer
    assert report.curves == study.curves
    assert report.curves
    assert report.cost.trials == 6
    assert report.cost.tokens is not None
    assert report.cost.tokens > report.cost.rows * 2  # a question and a passage have more than a token each
    assert report.cost.rows == sum(row.rows * 2 for row in report.exposure)
    assert len({curve.key for curve in report.learning}) == 6
    assert report.about.versions["sweep"] == sweep.__version__
    assert "study:" in report.about.config
    assert report.headline.sentences
    assert report.ended == ()


def state_of(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each file was changed, and its size. A database's reader takes part in its locks (-shm)."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.endswith(("-shm", "-wal")))
    return {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in files}


def test_a_command_that_has_ended_in_this_process_changes_nothing_any_more(folder: Path) -> None:
    """A connection that it had left open would write to the database when it is collected."""
    before = state_of(folder)
    gc.collect()
    assert state_of(folder) == before


def test_looking_changes_nothing(folder: Path) -> None:
    before = state_of(folder)
    with open_study(folder) as opened:
        assert len(opened.metrics)
        assert len(opened.points)
        assert opened.report().curves
        assert "<table" in opened._repr_html_()
    assert state_of(folder) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda study: study.values("pooled/mapp"), "no trial has the metric 'cldr/pooled/mapp'; did you mean"),
        (lambda study: study.figures("pooled/mapp"), "no trial has the metric 'cldr/pooled/mapp'; did you mean"),
        (lambda study: study.comparisons("geometry/mexa"), "'geometry/mexa' does not come from ranks"),
        (lambda study: study.comparisons("pooled/mapp"), "'pooled/mapp'"),
        (lambda study: study.comparisons(reference=0.3), "reference '0.3': the study has 0, 0.5, 1, "),
        (lambda study: study.comparisons(reference="best"), "reference 'best': the study has 0, 0.5, 1, "),
        (lambda study: study.ranks("ratio.monolingual=0.7,seed=0"), "tiny has no ranks of 'ratio.monolingual=0.7"),
        (lambda study: study.ranks("ratio.monolingual=0,seed=0", "mlqa"), "has ranks on cldr, none on 'mlqa'"),
    ],
)
def test_what_a_study_does_not_have_is_said_in_a_line(study: OpenedStudy, asked: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        asked(study)  # type: ignore[operator]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_that_is_not_there(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parents[1])
    with pytest.raises(InputError, match=r"no study 'tinny' in sweeps; did you mean 'tiny'\?"):
        open_study("tinny")
    with pytest.raises(InputError, match=r"no study 'other' in sweeps; there are: tiny"):
        open_study("other")
    with pytest.raises(InputError, match="no study"):
        open_study(tmp_path / "none")
    make(tmp_path, finish=1)
    (tmp_path / "grid" / "study.db").unlink()
    with pytest.raises(SweepError, match="study 'grid' cannot be read"):
        open_study(tmp_path / "grid")


def test_a_study_on_a_server_is_asked_for_where_the_caller_says(tmp_path: Path) -> None:
    folder = make(tmp_path, finish=1)
    text = folder.config.read_text().replace("storage: null", "storage: postgresql+psycopg://me:***@host/db")
    folder.config.write_text(text)
    with pytest.raises(InputError, match=r"me:\*\*\*@host.* give the URL that you know, storage='\$\{oc\.env"):
        open_study(folder.path)
    with pytest.raises(InputError, match="storage: everyone on this machine can read a password"):
        open_study(folder.path, storage="postgresql+psycopg://me:hunter22@host/db")
    with pytest.raises(InputError, match=r"^storage: "):
        open_study(folder.path, storage="${oc.env:SWEEP_NOT_SET_ANYWHERE}")


def test_a_study_that_stopped_halfway(tmp_path: Path) -> None:
    """Without trials.csv, which the command that runs it would have written."""
    folder = make(tmp_path, finish=1, fail=1, run=True)
    with open_study(folder.path) as opened:
        assert opened.state == "stopped"
        assert opened.trials.state.tolist() == ["COMPLETE", "FAILED", "RUNNING", "WAITING"]
        assert opened.trials.reason.tolist() == ["", "the loss became nan", "", ""]
        assert opened.trials.objective.isna().tolist() == [False, True, True, True]
        assert opened.points["mean"].tolist() == [0.5]
        assert opened.points[["sd", "low", "high"]].isna().all(axis=None)
        assert opened.metrics.value.tolist() == [0.25, 0.5]
        assert opened.comparisons().empty
        assert not folder.trials_csv.exists()
        with only_driver(folder):
            assert opened.state == "running"
        assert opened.state == "stopped"


@pytest.mark.parametrize("failed", [0, 4])
def test_frames_of_a_study_without_results_are_empty(tmp_path: Path, failed: int) -> None:
    folder = make(tmp_path, finish=0, fail=failed)
    with open_study(folder.path) as opened:
        assert opened.state == ("failed trials" if failed else "stopped")
        assert len(opened.trials) == 4
        assert list(opened.points.columns) == ["seeds", "mean", "sd", "low", "high"]
        for frame in (opened.points, opened.metrics, opened.comparisons(), opened.values(OBJECTIVE)):
            assert isinstance(frame, pd.DataFrame)
            assert frame.empty
        assert f"of 4 trials finished; {OBJECTIVE}" in opened._repr_html_()


@pytest.mark.parametrize(
    ("finish", "fail", "kind"), [(0, 0, "nothing yet"), (0, 4, "nothing yet"), (2, 1, "one ratio"), (4, 0, None)]
)
def test_a_report_of_what_little_there_is(tmp_path: Path, finish: int, fail: int, kind: str | None) -> None:
    """As an early version left it: without ranks, curves and exposure, and without settings that came later."""
    folder = make(tmp_path, finish=finish, fail=fail)
    config = yaml.safe_load(folder.config.read_text())
    config["study"] = {name: config["study"][name] for name in config["study"] if name not in SINCE["study"]}
    folder.config.write_text(
        yaml.safe_dump({name: config[name] for name in config if name not in ("loss", "report")})
    )
    with open_study(folder.path) as opened:
        report = opened.report()
    assert (report.finished, report.target) == (finish, 4)
    assert report.state == ("complete" if finish == 4 else "failed trials" if fail == 4 else "stopped")
    assert len(report.ended) == fail
    assert all(ended.reason == "the loss became nan" for ended in report.ended)
    assert report.cost.seconds == 60.0 * finish
    assert (report.cost.rows, report.cost.tokens) == (0, None)
    assert (report.learning, report.exposure, report.pairs, report.moved, report.notes) == ((), (), (), (), ())
    assert report.headline.sentences
    assert kind in (None, report.headline.kind)
    assert yaml.safe_load(report.about.config)["study"]["name"] == "grid"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("notes.json", "{"),
        ("notes.json", '{"lines": "x"}'),
        ("trials/{key}/losses.csv", "step,loss\n1,x\n"),
        ("trials/{key}/exposure.csv", "kind\nx\n"),
        ("trials/{key}/ranks.parquet", "x"),
    ],
)
def test_a_report_names_a_damaged_file(folder: Path, tmp_path: Path, file: str, text: str) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(folder, copy)
    damaged = copy / file.format(key="ratio.monolingual=0,seed=0")
    damaged.write_text(text)
    with open_study(copy) as opened, pytest.raises(SweepError) as caught:
        opened.report()
    assert damaged.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_compared_without_a_file_that_is_missing(folder: Path, tmp_path: Path) -> None:
    """Its ratio would be left out, and another one would be the best."""
    copy = tmp_path / "tiny"
    shutil.copytree(folder, copy)
    (copy / "trials" / "ratio.monolingual=0,seed=1" / "ranks.parquet").unlink()
    with open_study(copy) as opened:
        for ask in (opened.comparisons, opened.figures, opened.report, lambda: opened.answer, lambda: opened.curves):
            with pytest.raises(SweepError, match=r"ratio\.monolingual=0,seed=1: ranks\.parquet is missing"):
                ask()
        assert len(opened.trials) == len(opened.values(METRIC)) == 6
        assert opened.state == "complete"


def test_a_table_in_a_notebook_escapes_what_comes_from_the_study(tmp_path: Path) -> None:
    from tests.unit.test_studies import TrialResult, write_atomically

    from sweep.settings.compose import Composer
    from sweep.settings.load import load_settings
    from sweep.study.store import StudyStore

    nasty = "<script>alert(1)</script>"
    space = f"study.space={{model.passage_prefix: {{grid: ['{nasty}', b]}}}}"
    composer = Composer("sweep", ["study.name=x", "model=me5_small", space, "study.seeds=[0]"])
    settings, folder = load_settings(composer), StudyFolder(tmp_path / "x")
    store = StudyStore(folder, settings.study, lambda _: True)
    store.check_settings(settings)
    store.enqueue()
    write_atomically(folder.config, composer.yaml())
    while (claim := store.claim("w")) is not None:
        result = TrialResult(claim.point.key, "f", {OBJECTIVE: 0.5}, 0.1, 1.0, {}, 0, {})
        folder.trial(claim.point.key).write_result(result)
        store.finish(claim, result)
    with open_study(folder.path) as opened:
        assert nasty in opened.points["model.passage_prefix"].tolist()
        assert "&lt;script&gt;" in opened._repr_html_()
        assert "<script" not in opened._repr_html_()


def test_the_face_of_the_package_is_light() -> None:
    code = """
import sys, sweep
heavy = {"pandas", "torch", "optuna", "mlflow", "numpy", "sweep.answer"} & set(sys.modules)
assert not heavy, heavy
assert {"open_study", "OpenedStudy", "__version__"} <= set(dir(sweep)) and callable(sweep.open_study)
try:
    sweep.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise SystemExit("no error")
assert not {"torch", "mlflow", "pandas"} & set(sys.modules)  # until a frame is asked for
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_outputs_show_the_same_numbers(study: OpenedStudy) -> None:
    """Terminal, page, Markdown, LaTeX, CSV, JSON, frames, MLflow, curves and sentences, number by number; and these
    are what the trials' own files come to."""
    report = study.report(texts=False)
    (table,) = report.answer.certainty.tables
    figures = {f"{row.ratio:g}": (row.figure.value, *row.figure.interval) for row in table.rows}
    trained = set(figures)
    figures |= {name: (one.value, *one.interval) for name, one in table.baselines.items()}
    compared = [one for row in table.rows for one in (*row.against.values(), row.against_rival) if one is not None]
    differences = {(one.reference, one.system): (one.difference, *one.interval, one.p_holm) for one in compared}
    assert (len(trained), len(figures), len(differences)) == (3, 4, 9)
    kept = {name: [] for name in trained}
    for record in report.answer.points[0].records + report.answer.points[1].records + report.answer.points[2].records:
        value = json.loads((study.path / "trials" / record.key / "metrics.json").read_text())[METRIC]
        kept[f"{record.parameters[RATIO]:g}"].append(value)
    for name, values in kept.items():
        assert figures[name][0] == pytest.approx(fmean(values), abs=1e-9)

    exact = {"csv": shown_numbers.of_csv(report), "json": shown_numbers.of_json(report)}
    for output, (own, pairs) in exact.items():
        assert own == {name: pytest.approx(numbers, abs=1e-12) for name, numbers in figures.items()}, output
        assert pairs == {name: pytest.approx(numbers, abs=1e-12) for name, numbers in differences.items()}, output
    three, four = {"abs": 0.00051}, {"abs": 0.000051}
    rounded = {name: pytest.approx(numbers, **three) for name, numbers in figures.items()}
    for output, (own, pairs) in {
        "terminal": shown_numbers.of_terminal(report), "page": shown_numbers.of_page(report)
    }.items():  # fmt: skip
        assert own == rounded, output
        assert len(pairs) == 6, output
        for name, numbers in pairs.items():
            assert numbers[:3] == pytest.approx(differences[name][:3], **three), (output, name)
            assert numbers[3] == pytest.approx(differences[name][3], **four), (output, name)
    own, pairs = shown_numbers.of_short_answer(report)
    assert own == rounded
    assert {name: numbers[1] for name, numbers in pairs.items()} == {
        name: pytest.approx(numbers[3], **four) for name, numbers in differences.items()
    }
    assert {name: numbers[0] for name, numbers in pairs.items()} == {
        name: pytest.approx(numbers[0], **three) for name, numbers in differences.items()
    }
    assert shown_numbers.of_paper(report) == rounded
    assert shown_numbers.of_latex(report) == rounded
    sentences = list(shown_numbers.of_sentences(report))
    assert sentences
    for numbers in sentences:
        assert any(numbers == pytest.approx(known, **three) for known in differences.values())

    frame = study.points.set_index(RATIO)
    (curve,) = (curve for curve in report.curves if curve.key == METRIC)
    for dot in curve.dots:
        known = figures[f"{dot.ratio:g}"]
        assert (dot.mean, *dot.interval) == pytest.approx(known, abs=1e-12)
        assert tuple(frame.loc[dot.ratio, ["mean", "low", "high"]]) == pytest.approx(known, abs=1e-9)
        assert tuple(dot.seeds.values()) == pytest.approx(kept[f"{dot.ratio:g}"], abs=1e-9)
    runs = _point_runs(study)
    assert set(runs) == trained
    for name, metrics in runs.items():
        assert tuple(metrics[key] for key in (METRIC, f"{METRIC}.ci95_low", f"{METRIC}.ci95_high")) == pytest.approx(
            figures[name], abs=1e-9
        )
        assert metrics[f"{METRIC}.sd"] == pytest.approx(stdev(kept[name]), abs=1e-9)


def _point_runs(study: OpenedStudy) -> dict[str, dict[str, float]]:
    """The metrics of MLflow's runs of points, by ratio."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(str(study.settings.tracking.uri))
    experiment = client.get_experiment_by_name(study.name)
    runs = client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'point'")
    return {f"{float(run.data.params[RATIO]):g}": run.data.metrics for run in runs}
