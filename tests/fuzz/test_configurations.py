"""Overrides and saved configurations as people and accidents make them: settings, or one line."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import InputError
from sweep.settings.base import flattened
from sweep.settings.compose import Composer
from sweep.settings.load import SavedSettings, load_settings, saved_settings
from sweep.settings.search import check_space
from tests.fuzz.damage import VALUES, damaged, edited, refused, tries

START = "+experiment=smoke"


@cache
def composed() -> str:
    return Composer("sweep", [START]).yaml()


@cache
def keys() -> list[str]:
    """Every key of a configuration, and the sections and groups."""
    tree = yaml.safe_load(composed())
    return [*flattened(tree), *tree, "ratio/x", "study.space.ratio.monolingual", "", ".", "a.b", "hydra.run.dir"]


def texts() -> st.SearchStrategy[str]:
    """A value on a command line: as JSON, as people write it, or anything."""
    return st.one_of(
        st.sampled_from(VALUES).map(lambda value: json.dumps(value)[:200]),
        st.sampled_from([
            "", "null", "a,b", "[1", "{a", "'x", "${", "${x}", "${oc.env:NOT_SET}", "${oc.env:NOT_SET,1}", "${seed}",
            "???", "{grid: [1]}", "{x: {float: [0, 1]}}", "{ratio.monolingual: {float: [0, 1], step: 0.1}}",
            "choice(1,2)",
            "range(1,3)", "a=b", "~", "no", "[en,no]", "0x1f", "1_000", "1e999", "nan", "inf",
            "!!python/object:os.system",
        ]),
        st.text(max_size=12),
    )  # fmt: skip


@tries(120)
@given(
    st.sampled_from(["", "", "", "+", "++", "~"]),
    st.deferred(lambda: st.sampled_from(keys())),
    st.sampled_from(["", "", "", "x", " "]),
    texts(),
)
def test_any_override_is_taken_or_refused_in_one_line(sign: str, key: str, typo: str, value: str) -> None:
    try:
        composer = Composer("sweep", [START, f"{sign}{key}{typo}={value}"])
        settings = load_settings(composer)
        check_space(composer, settings)
    except InputError as error:
        refused(error)


def saved(content: bytes) -> SavedSettings | None:
    """A study's configuration from a file with this content; None if it is refused in one clear line."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_bytes(content)
        try:
            return saved_settings(file)
        except InputError as error:
            refused(error)
            return None


def test_the_configuration_that_is_damaged_is_read_when_it_is_whole() -> None:
    assert saved(composed().encode()) is not None


@tries(150)
@given(st.data())
def test_damaged_configurations(data: st.DataObject) -> None:
    saved(data.draw(damaged(composed().encode())))


@tries(150)
@given(st.data())
def test_edited_configurations(data: st.DataObject) -> None:
    tree = data.draw(edited(yaml.safe_load(composed())))
    saved(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))
