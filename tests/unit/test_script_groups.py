"""Pairs of languages in one script and in two."""

import math

import numpy as np
import pytest

from sweep.data.scripts import script_of
from sweep.evaluation.cells import Cells, Counts
from sweep.evaluation.script_groups import OTHER_SCRIPT, SAME_SCRIPT, script_group
from sweep.evaluation.summarise import last_parts, summarise


@pytest.mark.parametrize(
    ("language", "script"),
    [("en", "Latn"), ("yo", "Latn"), ("ru", "Cyrl"), ("ne", "Deva"), ("am", "Ethi"), ("zh", "Hans"), ("qqq", None)],
)
def test_scripts_of_languages(language: str, script: str | None) -> None:
    assert script_of(language) == script


@pytest.mark.parametrize(
    ("cell", "group"),
    [
        ("en-yo", SAME_SCRIPT), ("ru-bg", SAME_SCRIPT), ("hi-ne", SAME_SCRIPT),
        ("en-ru", OTHER_SCRIPT), ("ja-zh", OTHER_SCRIPT), ("ar-am", OTHER_SCRIPT),
        ("en", None), ("en-qqq", None), ("qqq-qqq", None),
    ],
)  # fmt: skip
def test_groups_of_pairs(cell: str, group: str | None) -> None:
    assert script_group(cell) == group


def test_figures_are_means_over_the_pairs_of_a_group() -> None:
    """Latin: en, de. Cyrillic: ru. Two translation groups; ru-de has no value."""
    names = ("en-de", "en-ru", "de-en", "de-ru", "ru-en", "ru-de")
    none = math.nan
    value_cg = np.array([[0.2, 0.4], [0.1, 0.3], [0.6, none], [0.5, 0.5], [0.0, 0.6], [none, none]])
    left_out = dict(zip(names, (0, 1, 2, 3, 4, 5), strict=True))
    table = {("cross", "map"): Cells(names, value_cg), ("mono", "map"): Cells(("en", "de", "ru"), np.ones((3, 2)))}
    found = summarise("toy", table, {"cross": Counts(dict.fromkeys(names, 2), left_out)}, {}, {}).metrics
    assert found["toy/cross/map/same_script"] == pytest.approx((0.3 + 0.6) / 2)
    assert found["toy/cross/map/other_script"] == pytest.approx((0.2 + 0.5 + 0.3) / 3)
    assert found["toy/cross/left_out/same_script"] == 0 + 2
    assert found["toy/cross/left_out/other_script"] == 1 + 3 + 4 + 5
    assert not {key for key in found if key.startswith("toy/mono") and "script" in key}


def test_a_group_without_pairs_has_no_figure() -> None:
    assert list(last_parts(("en-de", "de-en"), {})) == ["", "same_script", "en-de", "de-en"]
    assert list(last_parts(("en-ru",), {})) == ["", "other_script", "en-ru"]
