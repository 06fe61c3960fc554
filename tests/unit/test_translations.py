"""Translations of a batch's texts: of the right groups and languages, and the batch stays what it is without them."""

from collections import Counter

import numpy as np
import pytest
from tests.unit.test_plan import ratio, same

from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.errors import InputError
from sweep.training.needs import NOTHING, Needs
from sweep.training.plan import BatchPlan

LANGUAGES = ("en", "de", "sw")
PRESENT = {"en": 60, "de": 40, "sw": 30}  # group g exists in a language if this is larger than g


def rows(**several: int) -> TrainingSet:
    """Two questions in each language where `several` says so."""
    return training_set(
        [
            TrainingRow(f"g{group:02d}", code, f"q{number} {group} {code}", f"p {group} {code}")
            for group in range(60)
            for code in LANGUAGES
            if group < PRESENT[code]
            for number in range(several.get(code, 1))
        ],
        LANGUAGES,
    )


DATA = rows(sw=2)


def plan(needs: Needs, alpha: float = 0.5, cross: str = "pair", data: TrainingSet = DATA) -> BatchPlan:
    return BatchPlan(data, ratio(alpha, cross=cross), 8, seed=3, steps=400, needs=needs)


def words(text: int) -> list[str]:
    return DATA.texts[text].split()


@pytest.mark.parametrize("cross", ["pair", "mixed"])
@pytest.mark.parametrize("needs", [Needs("question"), Needs("passage"), Needs(teacher=True, pivot="sw")])
def test_a_batch_is_the_same_without_them(needs: Needs, cross: str) -> None:
    alone, further, again = (plan(one, cross=cross) for one in (NOTHING, needs, needs))
    for step in range(40):
        batch = further.batch(step)
        assert same(alone.batch(step), batch)
        assert alone.batch(step).translation_b is None
        repeated = again.batch(step)
        for one, other in zip(arrays(batch), arrays(repeated), strict=True):
            np.testing.assert_array_equal(one, other)


def arrays(batch: object) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    translation_b, pivots = batch.translation_b, batch.pivots  # type: ignore[attr-defined]
    return (translation_b,) if pivots is None else tuple(pivots)


@pytest.mark.parametrize("cross", ["pair", "mixed"])
@pytest.mark.parametrize(("side", "name"), [(0, "question"), (1, "passage")])
def test_a_translation_is_the_groups_question_in_another_language(side: int, name: str, cross: str) -> None:
    none, one_language, seen, numbers = 0, 0, Counter[str](), set()
    steps = range(150)
    for step in steps:
        batch = plan(Needs(name), cross=cross).batch(step)  # type: ignore[arg-type]
        assert batch.translation_b is not None
        codes = set()
        for group, pair, text in zip(batch.group_b.tolist(), batch.pairs, batch.translation_b.tolist(), strict=True):
            others = [code for code in LANGUAGES if code != pair[side] and group < PRESENT[code]]
            if text < 0:
                none += 1
                assert not others
                continue
            number, its_group, code = words(text)
            assert (int(its_group), code in others) == (group, True)
            numbers.add((code, number))
            seen[code] += 1
            codes.add(code)
        one_language += len(codes) == 1
    assert none > 5
    assert set(seen) == set(LANGUAGES)
    assert numbers == {("en", "q0"), ("de", "q0"), ("sw", "q0"), ("sw", "q1")}  # each of several is drawn
    assert one_language > (0.5 if cross == "pair" else 0) * len(steps)


def test_pivots_are_the_texts_of_one_language() -> None:
    own = none = drawn = 0
    for step in range(80):
        batch = plan(Needs(teacher=True, pivot="sw")).batch(step)
        assert batch.pivots is not None
        for side, texts in enumerate((batch.question_b, batch.passage_b)):
            for group, pair, text, pivot in zip(
                batch.group_b.tolist(), batch.pairs, texts.tolist(), batch.pivots[side].tolist(), strict=True
            ):
                if pair[side] == "sw":
                    own += 1
                    assert pivot == text
                elif group >= PRESENT["sw"]:
                    none += 1
                    assert pivot == -1
                else:
                    drawn += 1
                    assert words(pivot)[1:] == [str(group), "sw"]
                    assert words(pivot)[0].startswith("qp"[side])
    assert min(own, none, drawn) > 20


def test_data_without_translations_are_refused() -> None:
    alone = [TrainingRow(f"g{n}", ("en", "de")[n % 2], f"q{n}", f"p{n}") for n in range(8)]
    data = training_set(alone, ("en", "de"))
    with pytest.raises(InputError, match="no translation group of the training data has its question in two"):
        plan(Needs("question"), 1.0, data=data)
    with pytest.raises(InputError, match=r"loss\.pivot=de: no translation group .* question or a passage in this"):
        plan(Needs(teacher=True, pivot="de"), 1.0, data=data)
    plan(Needs(teacher=True), 1.0, data=data)  # retention needs none
    assert plan(Needs("question")).translated == 40
    assert plan(Needs(teacher=True, pivot="sw")).translated == 30
    assert plan(NOTHING).translated is None
    left = DATA.without(np.arange(40))
    with pytest.raises(InputError, match="two languages"):
        plan(Needs("question"), 1.0, data=left)  # what is held out is not trained on
