"""What training data and a benchmark share: exact texts are refused, near copies are counted."""

import unicodedata

import pytest

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.leakage import check_zero_shot, near_copies
from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.errors import InputError

QUESTION, PASSAGE = "Où se trouve le café de la gare ?", "Le café se trouve à côté de la gare du Nord."
WORDS = "a river of stones runs below the old bridge where nobody has walked since the flood took its rail".split()


def trained(
    question: str = "q", passage: str = "p", negatives: tuple[str, ...] = (), group: str = "t"
) -> TrainingSet:
    rows = [TrainingRow(group, "fr", question, passage, negatives), TrainingRow("other", "fr", "other q", "other p")]
    return training_set(rows, ("fr",))


def bench(question: str = QUESTION, passage: str = PASSAGE, distractor: str = "Ailleurs.") -> Benchmark:
    passages = [Passage("a", "fr", passage, "g"), Passage("b", "fr", distractor, "h")]
    return benchmark("bench", ("fr",), [Question("g", "fr", question)], passages, {"g": {"a": 1}})


def changed(text: str) -> list[str]:
    """Other spellings of a text: decomposed, in capitals, with other spaces."""
    spaced = text.replace(" ", " \u00a0\n")
    return [text, unicodedata.normalize("NFD", text), text.upper(), f"  {spaced}\t"]


@pytest.mark.parametrize("place", range(4))
def test_a_question_or_passage_in_another_spelling_is_refused(place: int) -> None:
    with pytest.raises(InputError, match=r"1 questions of the benchmark 'bench' occur .* the first: 'Où se trouve"):
        check_zero_shot(trained(question=changed(QUESTION)[place]), bench())
    for training in (
        trained(passage=changed(PASSAGE)[place]),
        trained(negatives=(changed(PASSAGE)[place],)),
    ):
        with pytest.raises(InputError, match=r"1 passages of the benchmark 'bench' occur .* the first: 'Le café"):
            check_zero_shot(training, bench())


def test_a_group_of_the_same_name_is_refused() -> None:
    with pytest.raises(InputError, match="1 questions of the benchmark"):
        check_zero_shot(trained(group="g"), bench())


def test_other_texts_are_not() -> None:
    check_zero_shot(trained(), bench())
    check_zero_shot(trained(passage="Ailleurs."), bench())  # it answers nothing
    check_zero_shot(trained(question=PASSAGE, passage=QUESTION), bench())


def slow_similarity(one: str, other: str) -> float:
    grams = [{text[start : start + 5] for start in range(len(text) - 4)} for text in (one, other)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def test_near_copies_are_counted_by_the_definition() -> None:
    whole = " ".join(WORDS)
    copies = [" ".join([*WORDS[:place], word, *WORDS[place + 1 :]]) for place, word in enumerate(["x", "the rivers"])]
    others = ["nothing of the kind is written in this sentence at all", " ".join(reversed(WORDS))]
    questions = [
        Question(f"g{place}", "fr", text) for place, text in enumerate([*copies, *others, copies[0].upper()])
    ]
    answers = [Passage(f"p{place}", "fr", f"{place} {whole[place:]}", f"u{place}") for place in range(5)]
    asked = benchmark("b", ("fr",), questions, answers, {f"g{place}": {f"p{place}": 1} for place in range(5)})
    training = trained(question=whole, passage="quite another passage that is like none of those")
    for threshold in (0.6, 0.9):
        expected = [text for text in copies if slow_similarity(text, whole) >= threshold]
        found, passages = near_copies(training, asked, threshold)
        assert (found.noun, found.copies, found.texts) == ("questions", len(expected), 4)
        assert (passages.copies, passages.example, passages.texts) == (0, None, 5)
        assert passages.sentence("b", threshold) == ""
        if expected:
            best = max(expected, key=lambda text: slow_similarity(text, whole))
            assert found.example == (best, whole)
            assert found.similarity == pytest.approx(slow_similarity(best, whole))
            assert found.sentence("b", threshold).startswith(f"{len(expected)} of 4 questions of 'b' are nearly in")
    assert near_copies(training, asked, 0.6)[0].copies > near_copies(training, asked, 0.9)[0].copies


def test_texts_shorter_than_an_n_gram_are_compared_whole() -> None:
    found, passages = near_copies(trained(question="Oslo"), bench(question="Rome", passage="p."), 0.5)
    assert (found.copies, passages.copies) == (0, 0)
    assert near_copies(trained(question="OSLO"), bench(question="Oslo"), 1.0)[0].copies == 1
