"""The edge: every experiment composes, and every kind of bad input is one clear line with status 2."""

from pathlib import Path

import pytest

from sweep.commands import score_encoder
from sweep.commands.run_study import main
from sweep.errors import InputError
from sweep.settings import HttpOrigin, JudgedEvaluation, MlflowTracking, Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings, saved_settings
from sweep.settings.overrides import assignment
from sweep.settings.search import check_space
from sweep.settings.tracking import TrackingUri
from sweep.settings.tree import config_folder, group_options


def compose(*overrides: str) -> Settings:
    composer = Composer("sweep", overrides)
    settings = load_settings(composer)
    check_space(composer, settings)
    return settings


@pytest.mark.parametrize("experiment", group_options()["experiment"])
def test_every_experiment_composes(experiment: str) -> None:
    settings = compose(f"+experiment={experiment}", *(["model.path=somewhere"] if experiment == "reference" else []))
    assert settings.study.name == experiment


@pytest.mark.parametrize(
    ("group", "choice"),
    [(g, c) for g, cs in group_options().items() if g not in ("experiment", "corpus") for c in cs],
)
def test_every_choice_is_valid_on_its_own(group: str, choice: str) -> None:
    needs = {
        "model=hf": ["model.path=x"],
        "languages=benchmark": ["languages.train=[en,de]"],
        "data=rows": ["data.path=pairs.jsonl"],
        "data=mix": ["+data@data.sources.one=cldr"],
    }.get(f"{group}={choice}", [])
    settings = compose(f"{group}={choice}", *needs)
    written = (config_folder() / group / f"{choice}.yaml").read_text()
    first = next(line for line in written.splitlines() if line and not line.startswith(("#", " ", "defaults")))
    assert first.split(":")[0] in getattr(settings, group).model_dump()


@pytest.mark.parametrize("corpus", group_options()["corpus"])
def test_every_corpus_can_be_chosen_for_a_benchmark(corpus: str) -> None:
    settings = compose("evaluation=beir", f"corpus@evaluation.corpus={corpus}")
    assert isinstance(settings.evaluation, JudgedEvaluation)
    assert settings.evaluation.corpus.name == corpus
    origin = settings.evaluation.corpus.origin
    if isinstance(origin, HttpOrigin):
        assert sorted(origin.sha256) == sorted(settings.evaluation.corpus.languages)
    assert origin is None or settings.evaluation.corpus.licence is not None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.lerning_rate=1"], "unknown key 'train.lerning_rate'; did you mean 'train.learning_rate'?"),
        (["trian.steps=1"], "unknown key 'trian.steps'; did you mean 'train.steps'?"),
        (["train.steps.x=1"], "'train.steps' is a value, not a section"),
        (["+train.foo=1"], "unknown key 'train.foo'"),
        (["ratio=foo"], "ratio=foo: no such choice; ratio is one of: crosslingual, hybrid, monolingual"),
        (
            ["+experiment=rato"],
            "experiment is one of: low_resource, paper, pareto, ratio_grid, ratio_search, reference, "
            "reference-me5-small, rivals, smoke",
        ),
        (["experiment=smoke"], "write +experiment=smoke"),
        (["ratio.monolingual=1.2"], "ratio.monolingual=1.2: must be at most 1"),
        (["ratio.monolingual=-0.1"], "ratio.monolingual=-0.1: must be at least 0"),
        (["ratio.monolingual=.nan"], "ratio.monolingual"),
        (["ratio.monolingual=abc"], "ratio.monolingual='abc': must be a number"),
        (["ratio.monolingual=true"], "ratio.monolingual=true: must be a number"),
        (["train.steps=2.5"], "train.steps=2.5: must be a whole number"),
        (["model.pooling=median"], "model.pooling: 'median' is no pooling; choose auto, pooler, or one or several"),
        (["model.pooling=auto"], "pooling=auto is what a pretrained model's folder says; a new model has none"),
        (["model=hf", "model.path=x", "model.head=last"], "model.head='last': must be one of: auto, folder, none"),
        (["model=hf"], "model.path is required"),
        (["model.hidden_size=130"], "hidden_size (130) must be a multiple of heads (4)"),
        (["data.concepts_per_question=4"], "data: concepts_per_question must be smaller than concepts_per_passage"),
        (["evaluation.concepts_per_question=4"], "evaluation: concepts_per_question must be smaller"),
        (["ratio.monolingual=0,1"], "put them into the space"),
        (["a=b=["], "cannot read 'a=b=['"),
        (["~train"], "train is missing"),
        (["languages.train=[en,English]"], "languages.train.1: 'English' is no language"),
        (["languages.train=[en]"], "need at least 2 languages"),
        (["languages.train=[]"], "languages.train"),
        (["data=xquad_r", "evaluation=xquad_r"], "never trains on what it evaluates on"),
        (["train.batch_size=2", "launcher.processes=3"], "must be at least launcher.processes"),
        (["train.warmup_steps=500"], "must be smaller than train.steps"),
        (["study.name=a/b"], "study.name: 'a/b' cannot be the name"),
        (["study.space={ratio.mono: {grid: [0, 1]}}"], "study.space: unknown key 'ratio.mono'"),
        (["study.space={ratio.monolingual: {grid: [0, 1.5]}}"], "study.space: ratio.monolingual=1.5"),
        (["study.space={ratio.monolingual: {grd: [0, 1]}}"], "unknown key 'study.space.ratio.monolingual.grd'"),
        (["study.space={ratio.monolingual: {grid: [0], float: [0, 1]}}"], "exactly one of grid, choice, float, int"),
        (["study.space={ratio.monolingual: {float: [1, 0]}}", "study.points=3"], "low must be smaller than high"),
        (["study.space={ratio.monolingual: {float: [0, 1]}}"], "points must say how many"),
        (["study.points=3"], "points must be null for a grid"),
        (["study.space={model: {grid: [tiny, large]}}"], "model=large: no such choice"),
        (
            ["ratio=1.5"],
            "one of: crosslingual, hybrid, monolingual; a value of it is set by its key, as in ratio.KEY=",
        ),
        (["evaluation=true"], "no such choice; evaluation is one of: "),
        (["model=null"], "no such choice; model is one of"),
        (["ratio=[hybrid,b]"], "no such choice; ratio is one of"),
        (["+experiment=1"], "no such choice; experiment is one of"),
        (["ratio=hybird"], "did you mean 'hybrid'?"),
        (["study.space={ratio: {grid: [1.5]}}"], "study.space: ratio=1.5: no such choice"),
        (
            ["tracking=json_lines", "ratio=hybrid", "train.stepz=5"],
            "unknown key 'train.stepz'; did you mean 'train.steps'?",
        ),
        (["study.space={seed: {grid: [0]}}"], "list seeds in study.seeds"),
        (
            ["study.space={evaluation.records: {grid: [12, 24]}}"],
            "'evaluation.records' cannot be searched, but what a",
        ),
        (
            ["study.space={evaluation: {choice: [cldr, xquad_r]}}", "study.points=2"],
            "'evaluation' cannot be searched",
        ),
        (["study.space={report.margin: {grid: [0.1]}}"], "'report.margin' cannot be searched"),
        (["study.space={launcher.threads: {grid: [1]}}"], "'launcher.threads' cannot be searched"),
        (["study.space={paths.sweeps: {choice: [a]}}", "study.points=1"], "'paths.sweeps' cannot be searched"),
        (
            ["study.space={languages.evaluate: {grid: [[en], [de]]}}"],
            "changes languages.evaluate, by which points are",
        ),
        (
            ["study.space={languages.tiers: {grid: [null, {high: [en], mid: [], low: []}]}}"],
            "changes languages.tiers, by which points are compared: it has to be the same for all",
        ),
        (["study.space={languages: {grid: [cldr_6, cldr_14]}}"], "changes languages.evaluate"),
        (
            ["evaluation.records=${train.steps}", "study.space={train.steps: {grid: [60, 80]}}"],
            "study.space: train.steps=60 changes evaluation, by which points are compared",
        ),
        (
            [
                "study.space={languages.train: {grid: [[en, de], [en, sw]]}}",
                "study.objectives=[{metric: cldr/pooled/map/unseen, direction: maximize}]",
            ],
            "changes which languages are unseen",
        ),
        (
            ["study.space={train.steps: {grid: [30, 180]}, train.warmup_steps: {grid: [5, 50]}}"],
            "smaller than train.steps (30)",
        ),
        (["study.space={ratio.monolingual: {grid: [1, 1.0]}}"], "a grid lists a value twice"),
        (["study.space=null"], "study.space=null"),
        (["study.seeds=[1,1]"], "seeds lists a seed twice"),
        (["study.objectives=[{metric: a, direction: up}]"], "must be one of: maximize, minimize"),
    ],
)
def test_bad_input_is_named(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        compose(*overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_shows_groups_experiments_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for group, choices in group_options().items():
        if group == "corpus":  # a part of the choices of data and evaluation, chosen with them
            continue
        assert group in text
        assert all(choice in text for choice in choices)
    assert text.count("  python -m sweep +") == 3


def test_help_shows_what_a_folder_of_the_users_own_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for group, name in (("experiment", "mine"), ("evaluation", "ours")):
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name}.yaml").write_text("# @package _global_\n# Ratios of my own: and more.\n")
    for command in (main, score_encoder.main):
        for given in (["--help", "--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}", "--help"]):
            with pytest.raises(SystemExit, match="0"):
                command(given)
            text = capsys.readouterr().out
            assert "beir, cldr, lines, miracl, mlqa_r, ntrex, ours" in text
            assert ("  mine          Ratios of my own\n" in text) == (command is main)
    with pytest.raises(SystemExit, match="2"):
        main(["--config-dir"])


def test_cfg_job_prints_what_was_composed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["+experiment=smoke", "train.steps=7", "train.warmup_steps=1", "--cfg", "job"]) == 0
    text = capsys.readouterr().out
    assert "steps: 7\n" in text
    assert "name: smoke\n" in text


def test_a_space_on_the_command_line_replaces_the_experiments() -> None:
    settings = compose("+experiment=ratio_grid", "study.space={train.learning_rate: {grid: [0.001, 0.01]}}")
    assert list(settings.study.space) == ["train.learning_rate"]


def test_a_folder_of_the_users_own_adds_choices(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nstudy:\n  name: mine\n")
    assert load_settings(Composer("sweep", ["+experiment=mine"], str(tmp_path))).study.name == "mine"
    with pytest.raises(InputError, match="experiment is one of: low_resource, mine, paper, pareto, ratio_grid"):
        load_settings(Composer("sweep", ["+experiment=other"], str(tmp_path)))


def test_a_file_of_the_users_own_that_would_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "smoke.yaml").write_bytes((config_folder() / "experiment" / "smoke.yaml").read_bytes())
    assert load_settings(Composer("sweep", ["+experiment=smoke"], str(tmp_path))).study.name == "smoke"
    (tmp_path / "experiment" / "smoke.yaml").write_text("# @package _global_\nstudy:\n  name: mine\n")
    with pytest.raises(InputError, match=r"experiment/smoke\.yaml would not be read"):
        Composer("sweep", ["+experiment=smoke"], str(tmp_path))


@pytest.mark.parametrize(
    "value", ["it's", "a b", "x/y", "1", "true", "null", "", "ü,{}[]", 'q"q', "back\\slash", "a=b"]
)
def test_a_point_sets_any_string_exactly(value: str) -> None:
    settings = load_settings(Composer("sweep", ["model=hf", "model.path=x"]), {"model.query_prefix": value})
    assert settings.model.query_prefix == value
    assert assignment("a", 0.1) == "a=0.1"


def test_settings_cannot_be_changed() -> None:
    settings = compose()
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3  # type: ignore[misc]


def test_equal_settings_have_equal_fingerprints() -> None:
    assert compose().fingerprint() == compose().fingerprint()
    assert compose().fingerprint() != compose("train.steps=181").fingerprint()


def test_the_config_tree_is_found() -> None:
    assert (config_folder() / "sweep.yaml").is_file()


@pytest.mark.parametrize(
    "point",
    [
        {"ratio.monolingual": 0.3, "seed": 4},
        {"languages.train": ["en", "de"], "ratio": "hybrid"},
        {"evaluation": "xquad_r", "train": "finetune", "train.steps": 7},
        {"data.records": {"high": 7}, "model.dropout": 0.5},
    ],
)
def test_a_point_is_composed_as_if_it_were_on_the_command_line(point: dict[str, object]) -> None:
    overrides = ["+experiment=smoke", "train.steps=9", "model.max_query_tokens=${train.steps}"]
    composer = Composer("sweep", overrides)
    composer.compose({"ratio.monolingual": 0.9, "seed": 8})  # leaves nothing behind
    found = composer.compose(point)
    assert found == Composer("sweep", [*overrides, *(assignment(*item) for item in point.items())]).compose()
    assert composer.compose(point) == found


def test_the_study_of_a_point_is_that_of_all_points() -> None:
    composer = Composer("sweep", ["+experiment=ratio_search", "study.name=of-${train.steps}-steps"])
    point = load_settings(composer, {"train.learning_rate": 0.001, "train.steps": 50})
    assert point.train.learning_rate == 0.001
    assert point.study == load_settings(composer).study


def test_trackers_are_chosen_and_a_study_of_an_earlier_version_names_none(tmp_path: Path) -> None:
    composer = Composer("sweep", ["tracking.uri=http://there"])
    assert load_settings(composer).tracking == MlflowTracking(uri=TrackingUri("http://there"))
    assert load_settings(Composer("sweep", ["tracking=json_lines"])).tracking.kind == "json_lines"
    with pytest.raises(InputError, match=r"tracking\.patience_s=-1"):
        load_settings(Composer("sweep", ["tracking.patience_s=-1"]))
    old = tmp_path / "config.yaml"
    written = composer.yaml().replace("  kind: mlflow\n", "").replace("  patience_s: 30.0\n", "")
    assert "mlflow" not in written
    old.write_text(written)
    assert saved_settings(old).settings.tracking == load_settings(composer).tracking


def test_what_choices_begin_with_is_no_choice_itself() -> None:
    groups = group_options()
    assert groups["train"] == ["finetune", "tiny"]
    assert groups["ratio"] == ["crosslingual", "hybrid", "monolingual"]
    assert {"info_nce", "clear", "distill", "translation"} <= set(groups["loss"])
    assert not [name for choices in groups.values() for name in choices if name.startswith("_")]
    with pytest.raises(InputError, match="train=_bare: no such choice; train is one of: finetune, tiny"):
        compose("train=_bare")
