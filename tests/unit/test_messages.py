"""What is wrong with an override or a value is said in plain English, with what is allowed and what to write."""

import re
from pathlib import Path

import pytest

from sweep.commands import compare_results, run_study, score_encoder
from sweep.data.lexicon import check_languages
from sweep.errors import InputError
from sweep.evaluation.catalogue import metric_problem
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings, load_settings
from sweep.settings.search import check_space
from sweep.settings.wording import listed, nearest, written

SPACE = "study.space={ratio.monolingual: {float: [0, 1]}}"
JARGON = re.compile(
    r"integer|array|object|Input|expected|pattern|\^|Lexer|mismatched|viable|EOF|KeyError|Error|validation,|\bTuple|None"
)


def check(*overrides: str) -> None:
    composer = Composer("sweep", overrides)
    check_space(composer, load_settings(composer))


def message(*overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        check(*overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("train.steps=abc", "train.steps='abc': must be a whole number"),
        ("study.points=many", "study.points='many': must be a whole number or null"),
        ("ratio.monolingual=inf", "must be a finite number"),
        ("train.compile=maybe", "must be true or false"),
        ("study.worse_p=0", "study.worse_p=0: must be greater than 0"),
        ("model.dropout=1", "must be less than 1"),
        ("languages.train=en", "languages.train='en': must be a list, such as [en]"),
        ("languages.train={a: b}", "must be a list, such as [a]"),
        (
            "languages.train=[en,English]",
            "'English' is no language; write an ISO 639 code, such as sw, zh_Hant or pt_BR",
        ),
        ("languages.train=[en,false]", "a bare no, off or false is no text in YAML; put the language in quotes"),
        ("data.records=5", "must be a section, such as {high: ...}; its keys: high, mid, low"),
        ("data.records=[1]", "data.records=[1]: must be a section, {key: value}; its keys: high, mid, low"),
        ("study.space=5", "study.space=5: must be keys with values, such as {key: value}"),
        ("study.seeds=[]", "study.seeds=[]: must be a list of at least 1"),
        ("study.pruner=none", "did you mean study.pruner.kind=none?"),
        ("study.pruner='a\nb'", "did you mean study.pruner.kind=a b?"),  # a message is one line
        ("study.pruner.kind=medain", "did you mean 'median'?"),
        (
            "study.confirm={points: 3}",
            "study.confirm.seeds is missing; write study.confirm: {points: 3, seeds: VALUE}",
        ),
        (
            "model.query_prefix=5",
            "must be text; put quotes around it that reach the program: model.query_prefix=\"'5'\"",
        ),
        ("train.early_stopping.metric=map", "must be validation/mono/map, validation/cross/map"),
        ("evaluation.kind=squda", "evaluation.kind='squda': must be one of: cldr, squad, miracl, beir"),
        ("data.kind=squad", "choose a whole section with data=NAME: "),
        ("~train", "train is missing; choose one with train=NAME: finetune, tiny"),
        ("evaluation.tiers={hihg: [en]}", "did you mean 'evaluation.tiers.high'?"),
        (SPACE.replace("float", "flaot"), "did you mean 'study.space.ratio.monolingual.float'?"),
        (SPACE.replace("[0, 1]", "[0, 1, 2]"), "must be a list of 2, not of 3"),
        (SPACE.replace("[0, 1]", "[0]"), "must be a list of 2"),
        (SPACE.replace("float", "gird"), "did you mean 'study.space.ratio.monolingual.grid'?"),
        (SPACE.replace("nolingual: {float", "no: {grid"), "did you mean 'ratio.monolingual'?"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(override: str, wanted: str) -> None:
    text = message(override)
    assert wanted in text
    assert not JARGON.search(text)
    assert len(text) < 300


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("train.steps", "it has no '=': write train.steps=VALUE"),
        ("train.steps:5", "write train.steps=5"),
        ("train.steps = 5", "write train.steps=5"),
        ("=5", "what is before '=' is not a key"),
        ("'train.steps=5'", "what is before '=' is not a key"),
        ("model.query_prefix=Frage: é", "write \"model.query_prefix='Frage: é'\""),
        ("model.query_prefix=f(x)", "write \"model.query_prefix='f(x)'\""),
        ("train.steps=${seed", "a reference, such as ${train.steps}, is not closed"),
        (SPACE[:-1], "'{' is not closed"),
        (SPACE.replace("]", ""), "'}' at character 34 of the value closes nothing that is open"),
        ("languages.train=[en,'de]", "a quote (') is not closed"),
        ("+train.steps=5", "train.steps exists already: write train.steps=5, without a plus sign"),
        ("+experimnt=smoke", "did you mean 'experiment'?"),
        ("batch_size=5", "did you mean 'train.batch_size'?"),
        ("name=mine", "did you mean 'evaluation.name' or 'study.name'?"),
        ("train.batchsize=5", "did you mean 'train.batch_size'?"),
        ("model.path=x", "only model of kind hf has it; choose model=NAME"),
        ("ratio=hybird", "ratio is one of: crosslingual, hybrid, monolingual; did you mean 'hybrid'?"),
    ],
)
def test_an_override_that_cannot_be_read_is_told_with_how_to_write_it(override: str, wanted: str) -> None:
    text = message(override)
    assert wanted in text
    assert not JARGON.search(text)


def test_one_experiment_is_chosen() -> None:
    assert "experiment is chosen twice" in message("+experiment=smoke", "+experiment=pareto")


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        (
            "${oc.env:NOT_SET_HERE}",
            "the environment variable NOT_SET_HERE is not set; set it with: export NOT_SET_HERE=",
        ),
        ("${train.stepz}", "it refers to 'train.stepz', and there is no such key; did you mean 'train.steps'?"),
        ("${model.passage_prefix}", "it refers to itself"),
        ("${oc.envv:HOME}", "it has a reference of unknown type 'oc.envv'"),
    ],
)
def test_a_reference_that_cannot_be_resolved_is_told_with_its_key(reference: str, wanted: str) -> None:
    text = message(f"model.passage_prefix={reference}")
    assert text.startswith("model.passage_prefix: ")
    assert wanted in text
    assert not JARGON.search(text.replace("NOT_SET_HERE", ""))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"# @package _global_\ntrain:\n  steps: ${seed\n", "a reference is not closed or not well formed"),
        (b"# @package _global_\ntrain:\n  steps: [1\n", r"mine\.yaml, line 4: not YAML that can be read"),
        (b"# @package _global_\ntrain:\n\tsteps: 3\n", r"mine\.yaml, line 3: not YAML that can be read"),
        (
            b"# @package _global_\ntrain:\n  steps: 3\n  steps: 4\n",
            r"mine\.yaml, line 4: .*found duplicate key steps",
        ),
        (b"# @package _global_\nlanguages:\n  train: [en, no]\n", "a bare no, off or false is no text in YAML"),
        (b"# @package _global_\ntrain: 3\n", r"train=3: must be a section, such as \{steps: "),
        (b"defaults:\n  - train: tniy\n", "Could not find 'experiment/train/tniy'$"),
        (b"train:\n  steps: 3\n", "begins with the line '# @package _global_'"),
        (b"\xff\xfe", "is not YAML in UTF-8"),
    ],
)
def test_a_broken_file_of_the_users_own_is_told(tmp_path: Path, content: bytes, wanted: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_bytes(content)
    with pytest.raises(InputError, match=wanted) as caught:
        load_settings(Composer("sweep", ["+experiment=mine"], str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_many_wrong_values_and_long_ones_are_cut() -> None:
    long = message(f"train.steps={'x' * 5000}")
    assert len(long) < 200
    assert "must be a whole number" in long
    many = message(*(f"train.{key}=x" for key in ("steps", "batch_size", "log_every", "warmup_steps", "decay")))
    assert many.count("must be") == 4
    assert many.endswith("; and 1 more")
    assert len(message(f"{'y' * 5000}=1")) < 500
    assert len(message(f"train.{'y' * 500}=1")) < 800
    assert len(message(f"train.steps=({'y' * 5000}")) < 500
    assert len(message(f"ratio={'y' * 5000}")) < 500


def test_no_message_is_longer_than_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    reference = "/".join("x" * 200 for _ in range(30))
    assert compare_results.main([reference, "other"]) > 0
    assert len(capsys.readouterr().err) < 2100


def test_what_evaluate_lacks_is_told_in_the_same_words() -> None:
    with pytest.raises(InputError, match="threads='many': must be a whole number or null"):
        load_evaluate_settings(Composer("evaluate", ["model.path=x", "threads=many"]))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("--train.steps=5", "write train.steps=5"), ("--config-dri", "did you mean '--config-dir'?")],
)
def test_an_unknown_option_is_told_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], given: str, wanted: str
) -> None:
    for main in (run_study.main, score_encoder.main):
        with pytest.raises(SystemExit, match="2"):
            main([given])
        assert capsys.readouterr().err.endswith(f"{wanted}\n")


def test_words_for_lists_and_guesses() -> None:
    assert listed(range(210), most=3) == "0, 1, 2, … (210 in all)"
    assert listed([]) == "none"
    assert nearest("mono", ["monolingual_end", "monolingual", "stairs"]) == "monolingual"
    assert nearest("GRID", ["grid"]) == "grid"
    assert nearest("xyz", ["grid"]) is None
    assert written({"a": [None, True, 1.5, "b"]}) == "{a: [null, true, 1.5, 'b']}"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("cldr/pooled/mpa", "did you mean 'map'?"),
        ("cldr/poled/map", "did you mean 'pooled'?"),
        ("cldr/pooled/map/lwo", "did you mean 'low'?"),
    ],
)
def test_a_metric_that_there_is_not_is_told_with_a_guess(key: str, wanted: str) -> None:
    assert str(metric_problem(key, "cldr", "parallel", ("de", "en"), ("high", "low"))).endswith(wanted)


def test_of_two_hundred_languages_thirty_are_named() -> None:
    with pytest.raises(
        InputError, match=r"data=cldr has no language 'xx' .* choose among ab, af, .* in all\)"
    ) as caught:
        check_languages(("en", "xx"))
    assert len(str(caught.value)) < 300
