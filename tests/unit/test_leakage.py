"""What training data and a benchmark share: exact texts are refused, near copies are counted."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from sweep.data import leakage
from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.fingerprints import benchmark_fingerprint, data_fingerprint
from sweep.data.leakage import check_zero_shot, near_copies
from sweep.data.shingles import Shortlist, grams_of, jaccard
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


def test_a_group_of_the_same_name_is_named_with_its_own_question() -> None:
    rows = [TrainingRow(group, "fr", f"trained {group}", f"passage {group}") for group in ("a", "z")]
    questions = [Question(group, "fr", f"asked {group}") for group in ("z", "a")]
    asked = benchmark("bench", ("fr",), questions, [Passage("d", "fr", "answer")], {"z": {"d": 1}, "a": {"d": 1}})
    with pytest.raises(InputError, match=r"2 questions of the benchmark .* by their ids, such as 'z': 'asked z'"):
        check_zero_shot(training_set(rows, ("fr",)), asked)


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


# Few letters and words, so that n-grams repeat within texts and between them.
WORD = strategies.text("ab é漢", min_size=1, max_size=4)
TEXT = strategies.lists(WORD, min_size=1, max_size=12).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    strategies.lists(TEXT, min_size=1, max_size=12),
    strategies.lists(TEXT, min_size=1, max_size=12),
    strategies.sampled_from([0.5, 0.6, 2 / 3, 0.75, 0.8, 0.9, 1.0]),
)
def test_no_pair_is_missed_and_none_is_too_much(few: list[str], many: list[str], threshold: float) -> None:
    """Against the definition, of all pairs."""
    expected = {
        (i, j) for i, one in enumerate(many) for j, other in enumerate(few) if jaccard(one, other) >= threshold
    }
    pairs = list(Shortlist(few, threshold).pairs(grams_of(many)))
    assert {(text, other) for text, other, _ in pairs} == expected
    assert len(pairs) == len(expected)
    for text, other, similarity in pairs:
        assert similarity == pytest.approx(jaccard(many[text], few[other]))


def test_pairs_do_not_depend_on_what_is_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 20))) for _ in range(300)]
    few, many = texts[:100], [*texts[50:], *(text[1:] for text in texts[:50])]
    training = training_set([TrainingRow(f"t{i}", "fr", text, "p") for i, text in enumerate(many)], ("fr",))
    questions = [Question(f"g{i}", "fr", text) for i, text in enumerate(few)]
    asked = benchmark("b", ("fr",), questions, [Passage("a", "fr", "?")], {q.group: {"a": 1} for q in questions})
    whole = near_copies(training, asked, 0.5)
    brute = [max(slow_similarity(one, other) for other in many) for one in dict.fromkeys(few) if len(one) > 4]
    assert whole[0].copies >= sum(similarity >= 0.5 for similarity in brute) > 50
    monkeypatch.setattr("sweep.data.shingles.MOST_PAIRS", 3)
    monkeypatch.setattr(leakage, "TEXTS_AT_A_TIME", 7)
    monkeypatch.setattr(leakage, "CHARACTERS_AT_A_TIME", 50)
    assert near_copies(training, asked, 0.5) == whole


def test_texts_of_one_character_and_beyond_the_basic_plane_are_compared() -> None:
    strange = ["", "a", "\U0001f600\U0001f601\U0001f602\U0001f603\U0001f604", "a\0\0\0\0", "\ud800 alone and more"]
    pairs = {(text, few) for text, few, _ in Shortlist(strange, 1.0).pairs(grams_of(strange))}
    assert {(place, place) for place in range(len(strange))} <= pairs


def test_what_was_compared_is_not_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, asked = trained(question="near la gare, le café", passage=f"{PASSAGE} Oui."), bench()
    check_zero_shot(training, asked, tmp_path)
    counted = near_copies(training, asked, 0.7, tmp_path)
    assert counted[1].copies == 1
    with pytest.raises(InputError):
        check_zero_shot(trained(question=QUESTION), asked, tmp_path)  # other data: nothing is known of them
    monkeypatch.setattr(leakage, "_batches", None)
    again, same = trained(question="near la gare, le café", passage=f"{PASSAGE} Oui."), bench()
    check_zero_shot(again, same, tmp_path)
    assert near_copies(again, same, 0.7, tmp_path) == counted
    with pytest.raises(TypeError):
        near_copies(again, same, 0.8, tmp_path)
    monkeypatch.undo()
    for file in (tmp_path / "leakage").iterdir():
        file.write_text("[{")
    assert near_copies(training, asked, 0.7, tmp_path) == counted


def test_fingerprints_tell_contents_apart() -> None:
    assert data_fingerprint(trained()) == data_fingerprint(trained())
    sets = [trained(), trained("other"), trained(passage="other"), trained(negatives=("n",)), trained(group="x")]
    assert len(set(map(data_fingerprint, sets))) == len(sets)
    assert benchmark_fingerprint(bench()) == benchmark_fingerprint(replace(bench(), name="another", notes=("x",)))
    graded = replace(bench(), grade_q=(np.array([2]),))
    several = [bench(), bench("other"), bench(passage="other"), bench(distractor="other"), graded]
    several.append(replace(bench(), ignored_q=(np.array([1]),)))
    several.append(replace(bench(), rejected_q=(np.array([1]),)))
    assert len(set(map(benchmark_fingerprint, several))) == len(several)


def test_groups_of_a_mix_are_known_by_the_names_that_their_sources_give_them() -> None:
    rows = [TrainingRow(f"ours/{name}", "fr", f"q {name}", f"p {name}", source="ours") for name in ("g", "other")]
    with pytest.raises(InputError, match="1 questions of the benchmark"):
        check_zero_shot(
            training_set(rows, ("fr",)),
            benchmark("b", ("en",), [Question("g", "en", "asked")], [Passage("d", "en", "answer")], {"g": {"d": 1}}),
        )
