"""Keys of figures, and the columns of the tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.evaluation import columns
from sweep.evaluation.columns import COMPARISON, EVALUATION, RESULTS, columns_for
from sweep.evaluation.metrics import digits_of
from sweep.settings.metric_key import MetricKey

WORDS = st.text("abc@_-1", min_size=1, max_size=6)


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_a_key_prints_as_it_was_parsed(parts: list[str]) -> None:
    text = "/".join(parts)
    key = MetricKey.parse(text)
    assert str(key) == text
    assert (key.benchmark, key.family, key.metric, key.part) == (*parts, "", "", "")[:4]
    assert MetricKey.parse(str(key)) == key


def test_what_is_too_much_stays_in_the_last_part() -> None:
    assert MetricKey.parse("cldr/mono/map/en/de") == MetricKey("cldr", "mono", "map", "en/de")


def test_the_same_figure_elsewhere() -> None:
    key = MetricKey.parse("cldr/pooled/map/low")
    assert key.name == "pooled/map/low"
    assert str(key.whole) == "cldr/pooled/map"
    assert str(key.on("validation")) == "validation/pooled/map/low"
    assert str(key.whole.of("en")) == "cldr/pooled/map/en"
    assert MetricKey.within("cldr", "pooled/map/low") == MetricKey.within("cldr", "cldr/pooled/map/low") == key


@pytest.mark.parametrize(
    ("key", "digits"), [("cldr/mono/map/low", 4), ("cldr/pooled/rank_distance", 1), ("cldr/mono/left_out", 4)]
)
def test_digits_of_a_figure(key: str, digits: int) -> None:
    assert digits_of(MetricKey.parse(key)) == digits


def test_headings_say_what_tells_columns_apart() -> None:
    assert [column.title for column in RESULTS] == [
        "mono mAP", "cross mAP all", "cross mAP other script", "pooled mAP", "align. all", "align. low",
        "align. unseen", "rank dist.",
    ]  # fmt: skip
    assert [column.digits for column in RESULTS] == [3, 3, 3, 3, 3, 3, 3, 0]
    assert [column.title for column in EVALUATION] == [
        "mono mAP", "cross mAP", "mAP gap", "pooled mAP", "alignment", "rank distance", "same lang.@1", "RBO",
        "agree correct@1", "bitext", "nDCG@10", "Recall@100",
    ]  # fmt: skip
    assert {column.digits for column in EVALUATION} == {4, 1}
    for name in ("RESULTS", "EVALUATION", "CARD", "COMPARISON", "VALIDATION"):
        titles = [column.title for column in getattr(columns, name)]
        assert len(set(titles)) == len(titles), name


def test_figures_that_only_monolingual_benchmarks_are_known_by() -> None:
    without = [column.name for column in columns_for(COMPARISON, parallel=True)]
    assert [column.name for column in COMPARISON if column.name not in without] == ["mono/ndcg@10", "mono/recall@100"]
    assert columns_for(COMPARISON, parallel=False) == list(COMPARISON)
