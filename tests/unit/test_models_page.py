"""The table of docs/models.md agrees with the settings of every model."""

import html
import re
from pathlib import Path

import pytest
from tests.unit.test_encoder_families import OWN_CODE, PUBLISHED

from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.tree import group_options

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \|(?P<rest>.*)\|$", re.MULTILINE)
CODE = re.compile(r"`([^`]*)`|<code>(.*?)</code>")


def rows() -> dict[str, list[str]]:
    """The cells of each model: on the hub, architecture, pooling, prefixes, tokens, licence, checked."""
    found = ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {row["name"]: [cell.strip(" ") for cell in row["rest"].split("|")] for row in found}


def prefixes(cell: str) -> list[str]:
    """The prefixes of a cell; `none` stands for one or for both."""
    given = [html.unescape(code or other).replace("\\n", "\n") for code, other in CODE.findall(cell)]
    return [*given, "", ""][:2]


def test_every_model_has_a_row() -> None:
    assert set(rows()) == set(group_options()["model"]) - {"hf"}


@pytest.mark.parametrize("name", sorted(set(group_options()["model"]) - {"hf"}))
def test_a_row_is_what_the_settings_are(name: str) -> None:
    hub, _, pooling, prefix, tokens, licence, checked = rows()[name]
    model = load_evaluate_settings(Composer("evaluate", [f"model={name}"])).model
    assert pooling == model.pooling
    assert prefixes(prefix) == [model.query_prefix, model.passage_prefix]
    assert int(tokens) >= max(model.max_query_tokens, model.max_passage_tokens)
    assert licence
    if model.kind == "hf":
        assert hub == model.path
        assert (checked == "a stand-in") == (name in OWN_CODE)
        assert (checked == "yes") == (name in PUBLISHED)
