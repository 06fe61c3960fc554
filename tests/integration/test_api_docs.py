"""The Python of docs/api.md and docs/recipes.md runs as it stands there, and what the tables list is there."""

import re
from pathlib import Path

import pandas as pd
import pytest
from tests.integration.commands import TINY

from sweep import open_study
from sweep.commands.run_study import main

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs"
API, RECIPES = ((DOCS / name).read_text() for name in ("api.md", "recipes.md"))
SPACE = "study.space={ratio.monolingual: {grid: [0, 0.5, 1]}}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder whose sweeps have the study that the pages open, under both of its names."""
    where = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        patch.setenv("SWEEP_CACHE", str(cache))
        given = [one for one in TINY if not one.startswith("study.name")]
        small = ("tracking=json_lines", "train.steps=3", SPACE, "study.seeds=[0,1]")
        assert main([*given, *small, "study.name=ratio_grid"]) == 0
        (where / "sweeps" / "pairs").symlink_to("ratio_grid")
    return where


@pytest.mark.parametrize("page", [API, RECIPES], ids=["api.md", "recipes.md"])
def test_every_block_of_python_runs(page: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("MPLBACKEND", "agg")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs", "exec"), names)


def test_what_the_table_lists_is_there(place: Path) -> None:
    listed = re.findall(r"^\| `study\.(\w+)(\([^`]*\))?` \| (.*) \|$", API, re.MULTILINE)
    assert len(listed) > 8
    with open_study(place / "sweeps" / "ratio_grid") as study:
        for name, call, text in listed:
            asked = call.replace("mono/map/en", "mono/map").replace("(key)", "('ratio.monolingual=0,seed=0')")
            value = eval(f"study.{name}{asked}", {"study": study})
            columns = re.findall(r"`([a-z]\w*)`", text.partition("; `key`")[0])
            if isinstance(value, pd.DataFrame):
                assert len(value), name
                assert set(columns) <= set(map(str, value.columns)), name
            else:
                assert value, name
        assert study.state in next(text for name, _, text in listed if name == "state")
