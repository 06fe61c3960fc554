"""Further benchmarks of a study: their settings, languages and tiers, their files, and what a study remembers."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.test_compare import result, toy
from tests.unit.test_squad import squad, write
from tests.unit.test_study import result as trial_result

from sweep.commands.compare_results import main as compare
from sweep.commands.result_files import shared_benchmarks
from sweep.data.load import benchmark_tiers, load_benchmarks
from sweep.errors import InputError
from sweep.evaluation.halves import figures_from_ranks, wanted_of
from sweep.evaluation.measures import measures_of
from sweep.evaluation.rank_file import benchmark_of
from sweep.evaluation.summarise import Evaluated
from sweep.records.folder import StudyFolder
from sweep.records.results import ResultFolder, further_ranks, rank_files
from sweep.report.card import model_card
from sweep.settings import EvaluateSettings, Settings
from sweep.settings.compose import Composer
from sweep.settings.earlier import completed
from sweep.settings.identity import differences, result_settings, trial_fingerprint
from sweep.settings.load import load_evaluate_settings, load_settings, saved_settings
from sweep.settings.overrides import assignment
from sweep.settings.search import check_space
from sweep.study.goals import with_halves
from sweep.trial.inputs import TrialData

PREVIOUS = Path(__file__).parents[1] / "previous"
AGAIN = ("+evaluation@benchmarks.again=cldr", "benchmarks.again.name=again")
MLQA = ("+evaluation@benchmarks.mlqa=mlqa_r",)


def study(*overrides: str) -> Settings:
    return load_settings(Composer("sweep", overrides))


def on_files(tmp_path: Path, *overrides: str) -> EvaluateSettings:
    """The first benchmark in en, th and de; a second one of the same layout in en, de and fr."""
    for name, codes in (("one", ("en", "th", "de")), ("two", ("en", "de", "fr"))):
        (tmp_path / name).mkdir(exist_ok=True)
        write(tmp_path / name, **{code: squad() for code in codes})
    given = [
        "evaluation=squad", "+evaluation@benchmarks.two=squad", "benchmarks.two.name=two", "model.path=x",
        assignment("evaluation.path", str(tmp_path / "one")),
        assignment("benchmarks.two.path", str(tmp_path / "two")),
    ]  # fmt: skip
    return load_evaluate_settings(Composer("evaluate", [*given, *overrides]))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+evaluation@benchmarks.c2=cldr"],
         "benchmarks.c2.name=cldr: another benchmark has this name, and both would have the same metric keys; set "
         "benchmarks.c2.name to another"),
        ([*AGAIN, "benchmarks.again.name=CLDR"], "benchmarks.again.name=CLDR: another benchmark has this name"),
        ([*AGAIN, *MLQA, "benchmarks.mlqa.name=again"], "benchmarks.mlqa.name=again: another benchmark"),
        (["evaluation@benchmarks.c2=cldr"], "write +evaluation@benchmarks.c2=cldr, with a plus sign"),
        (["benchmarks.c3.name=x"], "there is no benchmark 'c3': add it with +evaluation@benchmarks.c3=NAME"),
        ([*AGAIN, "benchmarks.again.seeed=3"], "did you mean 'benchmarks.again.seed'?"),
        ([*AGAIN, "benchmarks.again.seed=x"], "benchmarks.again.seed='x': must be a whole number"),
        (["+evaluation@benchmarks.c2=nope"], "evaluation=nope: no such choice"),
        (["+benchmarks.x={kind: nope}"], "a whole section with +evaluation@benchmarks.x=NAME: afriqa, beir, cldr"),
        (["+benchmarks.a/b={kind: cldr}"], "a/b"),
        (["benchmarks=3"], "benchmarks=3: must be keys with values"),
        ([*MLQA, "data=mlqa_r"],
         "data and benchmarks.mlqa are both 'mlqa_r': a study never trains on what it evaluates on; choose another "
         "data=, or leave benchmarks.mlqa out"),
        ([*AGAIN, *MLQA, "trian.steps=3"], "did you mean 'train.steps'?"),  # which no choice of a group is blamed for
    ],
)  # fmt: skip
def test_settings_that_are_wrong(overrides: list[str], line: str) -> None:
    with pytest.raises(InputError) as error:
        study(*overrides)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_benchmarks_are_sections_like_the_first_one() -> None:
    settings = study(*AGAIN, *MLQA, "benchmarks.mlqa.path=a,b")
    assert [one.name for one in settings.evaluations] == ["cldr", "again", "mlqa_r"]
    assert settings.benchmarks["mlqa"].path == "a,b"
    assert study().benchmarks == {}


def test_each_benchmark_is_evaluated_in_the_languages_that_it_has(tmp_path: Path) -> None:
    every = load_benchmarks(on_files(tmp_path))
    assert [one.languages for one in every] == [("de", "en", "th"), ("de", "en", "fr")]
    some = on_files(tmp_path, "languages.evaluate=[th,en]")
    assert [one.languages for one in load_benchmarks(some)] == [("th", "en"), ("en",)]
    with pytest.raises(
        InputError,
        match=r"the benchmark 'two' has none of languages.evaluate \(th\); it has de en fr: add one of these",
    ):
        load_benchmarks(on_files(tmp_path, "languages.evaluate=[th]"))
    other = on_files(tmp_path, "languages.evaluate=[en,fr]")  # the first one has no French
    assert [one.languages for one in load_benchmarks(other)] == [("en",), ("en", "fr")]
    nowhere = r"languages.evaluate: no benchmark has sw; 'own' has de en th; 'two' has de en fr"
    with pytest.raises(InputError, match=nowhere):
        load_benchmarks(on_files(tmp_path, "languages.evaluate=[en,fr,sw]"))
    # One without a list of its own takes any.
    assert [one.languages for one in load_benchmarks(study(*AGAIN))][1] == study().languages.evaluate


def test_each_benchmark_has_its_own_tiers_unless_the_study_has_any(tmp_path: Path) -> None:
    settings = on_files(tmp_path, "benchmarks.two.tiers={low: [en]}", "languages.evaluate=[en,de]")
    first, second = measures_of(settings, load_benchmarks(settings), ("de",))
    assert first.tiers == {"high": {"en", "de"}, "seen": {"de"}, "unseen": {"en"}}
    assert second.tiers == {"low": {"en"}, "seen": {"de"}, "unseen": {"en"}}
    assert (first.name, second.name) == ("own", "two")
    given = on_files(tmp_path, "benchmarks.two.tiers={low: [en]}", "languages.tiers={mid: [en, de]}")
    assert [benchmark_tiers(given, one).mid for one in given.evaluations] == [("en", "de")] * 2


def test_what_is_trained_on_is_in_no_benchmark(tmp_path: Path) -> None:
    for name in ("data", "more"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, en=squad(), de=squad())
    settings = study(
        "data=squad", assignment("data.path", str(tmp_path / "data")), "languages.train=[en,de]",
        "+evaluation@benchmarks.more=squad", assignment("benchmarks.more.path", str(tmp_path / "more")),
        "benchmarks.more.name=more",
    )  # fmt: skip
    with pytest.raises(InputError, match="of the benchmark 'more' occur in the training data"):
        TrialData().of(settings)


def test_a_study_is_another_one_with_another_benchmark() -> None:
    alone, two = study(), study(*AGAIN, *MLQA)
    assert trial_fingerprint(two) != trial_fingerprint(alone)
    assert trial_fingerprint(study(*MLQA, *AGAIN)) == trial_fingerprint(two)
    assert not [path for path in result_settings(alone) if path.startswith("benchmarks")]
    assert differences(result_settings(alone), result_settings(two)) == [
        "  benchmarks.again: not in the study", "  benchmarks.mlqa: not in the study",
    ]  # fmt: skip
    assert differences(result_settings(two), result_settings(alone)) == [
        "  benchmarks.again: only in the study", "  benchmarks.mlqa: only in the study",
    ]  # fmt: skip
    other = study(*AGAIN, *MLQA, "benchmarks.again.seed=5", "benchmarks.mlqa.candidates=paragraph")
    assert differences(result_settings(two), result_settings(other)) == [
        "  benchmarks.again.seed: 0 in the study, 5 now",
        "  benchmarks.mlqa.candidates: 'auto' in the study, 'paragraph' now",
    ]
    assert differences(result_settings(study(*MLQA, *AGAIN)), result_settings(two)) == []
    for searched in ("evaluation@benchmarks.again", "benchmarks.again.seed"):
        composer = Composer("sweep", [*AGAIN, f"study.space={{{searched}: {{grid: [cldr]}}}}"])
        with pytest.raises(InputError, match="cannot be searched"):
            check_space(composer, load_settings(composer))


def test_a_study_of_an_earlier_version_has_no_further_benchmark() -> None:
    assert saved_settings(PREVIOUS / "config.yaml").settings.benchmarks == {}
    kept = {"study": {}, "benchmarks": {"again": {"kind": "cldr"}}}
    assert completed(kept)["benchmarks"] == kept["benchmarks"]


def test_baselines_of_a_study_without_further_benchmarks_stay_where_they_were(tmp_path: Path) -> None:
    folder, alone = StudyFolder(tmp_path), study()
    earlier = sha256((alone.evaluation.fingerprint() + alone.languages.fingerprint()).encode()).hexdigest()[:12]
    assert folder.baseline("chance", alone).path.name == f"chance-{earlier}"
    assert folder.baseline("chance", study(*AGAIN)).path.name != f"chance-{earlier}"


def test_each_half_has_the_goals_of_its_own_benchmark() -> None:
    goals = "study.objectives=[{metric: again/mono/map, direction: maximize}]"
    bound = "study.constraints=[{metric: cldr/mono/map/en, at_least: 0}]"
    settings = study(*AGAIN, goals, bound, "study.select_on=half").study
    wanted = {name: wanted_of(settings, name) for name in ("cldr", "again")}
    assert [wanted[name]["select"] for name in wanted] == [("cldr/mono/map/en",), ("again/mono/map",)]
    assert all(key.startswith("again/") for key in wanted["again"]["report"])


def test_the_card_has_a_table_for_each_benchmark() -> None:
    metrics = {"cldr/mono/map": 0.5, "again/mono/map": 0.25}
    evaluated = Evaluated(metrics, {key: (value, value) for key, value in metrics.items()})
    card = model_card(study(*AGAIN), "seed=0", evaluated, None)
    assert card.index("Evaluation on cldr") < card.index("| mono mAP | 0.5000") < card.index("Evaluation on again")
    assert card.index("Evaluation on again") < card.index("| mono mAP | 0.2500 | 0.2500 | 0.2500 |")
    one = Evaluated({"cldr/mono/map": 0.5}, {"cldr/mono/map": (0.5, 0.5)})
    assert model_card(study(*AGAIN), "seed=0", one, None) == model_card(study(), "seed=0", one, None)


def test_files_of_ranks_are_known_by_their_names(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path)
    names = ("ranks.parquet", "ranks.a.parquet", "ranks.a.b.parquet", "ranks+lir.parquet", "ranks.a+lir.parquet", "x")
    for name in names:
        (tmp_path / name).touch()
    assert [file.name for file in rank_files(folder.ranks)] == [
        "ranks.parquet",
        "ranks.a.b.parquet",
        "ranks.a.parquet",
    ]
    assert folder.ranks_of("a.b") == further_ranks(folder.ranks, "a.b") == tmp_path / "ranks.a.b.parquet"
    assert folder.ranks_of("first") == folder.ranks
    assert [file.name for file in folder.measured] == ["ranks.parquet", "ranks.a.b.parquet", "ranks.a.parquet"]
    assert list(rank_files(tmp_path / "nowhere" / "ranks.parquet")) == []


def test_a_file_that_an_earlier_evaluation_left_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [result(tmp_path / name, 1.0, seed) for seed, name in enumerate(("a", "b"))]
    benchmark = benchmark_of(folders[0] / "ranks.parquet")
    for folder in folders:
        further_ranks(folder / "ranks.parquet", "old").write_bytes((folder / "ranks.parquet").read_bytes())
        (folder / "metrics.json").write_text(json.dumps({f"{benchmark}/mono/map": 1}))
    files = [[folder / "ranks.parquet"] for folder in folders]
    assert shared_benchmarks(files) == {benchmark: files}
    (folders[0] / "ranks.parquet").write_text("no ranks")
    assert compare([str(folder) for folder in folders]) == 2
    assert "is no file of ranks, or is damaged" in capsys.readouterr().err


def test_what_a_half_lacks_comes_from_the_ranks_of_its_benchmark(tmp_path: Path) -> None:
    goals = [f"{{metric: {name}/mono/map, direction: maximize}}" for name in ("again", "cldr")]
    settings = study(*AGAIN, f"study.objectives=[{', '.join(goals)}]", "study.select_on=half").study
    bench = toy()
    folder = StudyFolder(tmp_path).trial("seed=0")
    result(folder.path, 1.0, 0, replace(bench, name="cldr"))
    beside = result(tmp_path / "beside", 1.0, 1, replace(bench, name="again"))
    (beside / "ranks.parquet").rename(further_ranks(folder.ranks, "again"))
    metrics = with_halves(trial_result("seed=0", 0.5), folder, settings).metrics
    wanted = {"cldr": folder.ranks, "again": further_ranks(folder.ranks, "again")}
    for name, file in wanted.items():
        figures = figures_from_ranks(file, {"select": [f"{name}/mono/map"]})
        assert metrics[f"{name}+select/mono/map"] == figures[f"{name}+select/mono/map"]
    assert metrics["cldr+select/mono/map"] != metrics["again+select/mono/map"]
