"""The embedded data: languages, the relation of question and passage, split, parallelism, determinism."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from sweep.data.benchmark import Benchmark
from sweep.data.cldr import cldr_benchmark, cldr_rows
from sweep.data.leakage import check_zero_shot, near_copies
from sweep.data.lexicon import _has_one, available_languages, concept_names, terms
from sweep.data.training_set import TrainingSet, training_set_of
from sweep.errors import InputError
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.scoring import passage_texts, question_texts
from sweep.evaluation.summarise import summarise
from sweep.model.tokenizer import train_tokenizer, unigram_tokenizer
from sweep.settings import CldrData, CldrEvaluation, Settings, Tiers
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings


def cldr_training_set(settings: CldrData, languages: tuple[str, ...], tiers: Tiers) -> TrainingSet:
    return training_set_of(cldr_rows(settings, languages, tiers), languages)


@pytest.fixture(scope="module")
def defaults() -> Settings:
    return load_settings(Composer("sweep", []))


def data(settings: Settings) -> CldrData:
    assert isinstance(settings.data, CldrData)
    return settings.data


def evaluation(settings: Settings) -> CldrEvaluation:
    assert isinstance(settings.evaluation, CldrEvaluation)
    return settings.evaluation


def test_the_default_grid_is_as_promised(defaults: Settings) -> None:
    languages = defaults.languages
    assert languages.evaluate is not None
    assert languages.tiers is not None
    assert len(languages.evaluate) >= 12
    assert len(available_languages()) >= 100
    assert len(set(languages.evaluate) - set(languages.train)) >= 2
    assert len(languages.tiers.low) >= 4
    assert {"am", "ha", "km", "lo", "my", "sw", "te", "ti", "yo"} <= set(available_languages())


def test_names_do_not_fall_back_to_english() -> None:
    english = concept_names("en")
    for code in ("de", "ig", "sw", "ti"):
        assert all(name.casefold() != english[concept].casefold() for concept, name in concept_names(code).items())


def test_records_have_the_sizes_of_their_tiers(defaults: Settings) -> None:
    tiers = defaults.languages.tiers
    assert tiers is not None
    found = cldr_training_set(data(defaults), defaults.languages.train, tiers)
    for column, code in enumerate(found.languages):
        expected = getattr(data(defaults).records, str(tiers.of(code)))
        cells = found.questions, found.passages
        asked_g, answered_g = (part.present_lg(len(found.languages))[column] for part in cells)
        assert asked_g.sum() == expected
        assert (asked_g == answered_g).all()


def test_no_evaluation_record_occurs_in_training(defaults: Settings) -> None:
    assert defaults.languages.tiers is not None
    assert defaults.languages.evaluate is not None
    training = cldr_training_set(data(defaults), defaults.languages.train, defaults.languages.tiers)
    bench = cldr_benchmark(evaluation(defaults), defaults.languages.evaluate)

    def record(text: str) -> frozenset[str]:
        return frozenset(text.split(", "))

    trained = {record(text) for text in training.texts}
    assert not trained & {record(item.text) for item in (*bench.questions, *bench.passages)}
    check_zero_shot(training, bench)


def test_names_are_in_question_and_passage_alike(defaults: Settings) -> None:
    """As in version 0.1, with the other relation."""
    languages = ("en", "de", "sw")
    bench = cldr_benchmark(evaluation(defaults).model_copy(update={"relation": "names"}), languages)
    concept_of = {code: {name: concept for concept, name in concept_names(code).items()} for code in languages}
    for group in ("e00000", "e00007"):
        passages = [p for p in bench.passages if p.id.startswith(group)]
        assert len({frozenset(concept_of[p.language][n] for n in p.text.split(", ")) for p in passages}) == 1
    by_id = {p.id: p for p in bench.passages}
    for question in bench.questions:
        own = by_id[f"{question.group}:{question.language}"]
        assert set(question.text.split(", ")) < set(own.text.split(", "))


@pytest.fixture(scope="module")
def bench(defaults: Settings) -> Benchmark:
    assert defaults.languages.evaluate is not None
    return cldr_benchmark(evaluation(defaults), defaults.languages.evaluate)


def territories(bench: Benchmark) -> Callable[[str, str, str], frozenset[str]]:
    """A reader of texts: the territories that a question or passage is about."""
    shared = terms("places", bench.languages)
    of = {
        (role, code, getattr(called[code], role)): key
        for (_, key), called in shared.items()
        for code in bench.languages
        for role in ("question", "passage")
    }
    assert len(of) == 2 * len(shared) * len(bench.languages)  # no two have one name
    return lambda role, code, text: frozenset(of[role, code, name] for name in text.split(", "))


def test_questions_name_territories_and_passages_places_in_them(bench: Benchmark) -> None:
    called = terms("places", ("en", "de"))
    assert called["territory", "KE"] == {"en": ("Kenya", "Nairobi"), "de": ("Kenia", "Nairobi")}
    assert called["territory", "EG"]["de"] == ("Ägypten", "Kairo")
    assert {key for _, key in called}.isdisjoint({"SG", "TN", "GT"})  # Singapore, Tunis, Guatemala
    assert ("territory", "CK") not in called  # Rarotonga: it contains another territory's name
    assert len(terms("places", bench.languages)) > 100


def test_passages_and_questions_are_parallel(bench: Benchmark) -> None:
    about = territories(bench)
    passages = {p.id: about("passage", p.language, p.text) for p in bench.passages}
    asked: dict[str, set[frozenset[str]]] = {}
    for question, rows in zip(bench.questions, bench.relevant_q, strict=True):
        asked.setdefault(question.group, set()).add(about("question", question.language, question.text))
        assert {bench.passages[row].id for row in rows} == {f"{question.group}:{code}" for code in bench.languages}
    assert len(asked) == 200
    for group, sets in asked.items():
        assert len(sets) == len({passages[f"{group}:{code}"] for code in bench.languages}) == 1


def test_a_question_is_answered_by_its_own_passages_alone(bench: Benchmark) -> None:
    about = territories(bench)
    passages = {p.unit: about("passage", p.language, p.text) for p in bench.passages if p.language == "en"}
    for question in bench.questions:
        asked = about("question", question.language, question.text)
        assert [unit for unit, listed in passages.items() if asked <= listed] == [question.group]


def test_no_passage_contains_a_name_of_the_question(bench: Benchmark) -> None:
    """In no language, whatever language the question has."""
    passages: dict[str, str] = {}
    for passage in bench.passages:
        group = passage.id.partition(":")[0]
        passages[group] = f"{passages.get(group, '')}\n{passage.text.casefold()}"
    for question in bench.questions:
        assert not any(name.casefold() in passages[question.group] for name in question.text.split(", "))


def embedded(texts: list[str], every: list[str]) -> NDArray[np.float32]:
    """TF-IDF of character 1- to 4-grams, L2-normalised."""
    tf_idf = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), dtype=np.float32)
    return np.asarray(tf_idf.fit(every).transform(texts).toarray(), np.float32)


@pytest.mark.parametrize(("relation", "mono"), [("places", (0.0, 0.12)), ("names", (0.95, 1.0))])
def test_strings_alone_find_nothing(defaults: Settings, relation: str, mono: tuple[float, float]) -> None:
    """Untrained character n-grams are at chance in every pool; where the names are repeated they find everything."""
    settings = evaluation(defaults).model_copy(update={"relation": relation, "records": 100})
    bench = cldr_benchmark(settings, ("en", "de", "ru", "bg", "ar"))
    questions, text_q = question_texts(bench)
    passages, text_d = passage_texts(bench)
    asked, answers = (list(texts.read(np.arange(texts.size))) for texts in (questions, passages))
    query_uh, passage_uh = embedded(asked, asked + answers), embedded(answers, asked + answers)
    ranking = rank_parallel(bench, query_uh[text_q], passage_uh, text_d)
    figures = summarise("cldr", *rank_cells(ranking), {}, {}).metrics
    chance = sum(1 / rank for rank in range(1, 101)) / 100  # a random rank among 100 passages: .052
    assert mono[0] <= figures["cldr/mono/map"] <= mono[1]
    assert figures["cldr/cross/map/other_script"] < 2 * chance
    if relation == "places":
        assert figures["cldr/cross/map/same_script"] < 2 * chance
        assert figures["cldr/pooled/map"] < 2 * chance


def test_no_evaluation_text_is_nearly_a_training_text(defaults: Settings, bench: Benchmark) -> None:
    assert defaults.languages.tiers is not None
    training = cldr_training_set(data(defaults), defaults.languages.train, defaults.languages.tiers)
    questions, passages = near_copies(training, bench, 0.8)
    assert questions.copies < 0.01 * questions.texts
    assert passages.copies < 0.01 * passages.texts


def test_more_records_than_there_are_is_refused(defaults: Settings) -> None:
    settings = evaluation(defaults).model_copy(update={"concepts_per_question": 1, "records": 100})
    with pytest.raises(InputError, match="records=100: there are hardly more than "):
        cldr_benchmark(settings, ("en", "de"))


def test_data_are_deterministic_by_seed(defaults: Settings) -> None:
    tiers = Tiers(high=("en", "de"))
    changed = data(defaults).model_copy(update={"seed": 1})
    first, again, other = (
        cldr_training_set(settings, ("en", "de"), tiers).digest
        for settings in (data(defaults), data(defaults), changed)
    )
    assert first == again
    assert first != other


def test_unseen_languages_are_written_in_seen_scripts(defaults: Settings) -> None:
    assert defaults.languages.tiers is not None
    assert defaults.languages.evaluate is not None
    training = cldr_training_set(data(defaults), defaults.languages.train, defaults.languages.tiers)
    tokenizer = train_tokenizer(training.texts, 8000)
    unknown = tokenizer.token_to_id("<unk>")
    bench = cldr_benchmark(evaluation(defaults), defaults.languages.evaluate)
    for code in set(defaults.languages.evaluate) - set(defaults.languages.train):
        ids = [id_ for p in bench.passages if p.language == code for id_ in tokenizer.encode(p.text).ids]
        assert ids.count(unknown) / len(ids) < 0.05, code


def test_the_tokenizer_is_trained_once_and_read_back(tmp_path: Path) -> None:
    texts = tuple(f"the {word} of {word}s" for word in ("moon", "river", "stone", "cloud") * 20)
    first = unigram_tokenizer(texts, 300, tmp_path)
    (file,) = tmp_path.glob("tokenizers/*.json")
    written = file.stat().st_mtime_ns
    assert unigram_tokenizer(texts, 300, tmp_path)("moon stone")["input_ids"] == first("moon stone")["input_ids"]
    assert file.stat().st_mtime_ns == written
    unigram_tokenizer((*texts, "more"), 300, tmp_path)
    assert len(list(tmp_path.glob("tokenizers/*"))) == 2
    assert first.convert_ids_to_tokens(first("moon")["input_ids"])[0] == "<s>"


def test_training_a_tokenizer_twice_gives_the_same_one(defaults: Settings) -> None:
    assert defaults.languages.tiers is not None
    texts = cldr_training_set(data(defaults), ("en", "ru", "te", "yo"), defaults.languages.tiers).texts
    assert train_tokenizer(texts, 3000).to_str() == train_tokenizer(texts, 3000).to_str()


@pytest.mark.parametrize(
    ("languages", "tiers", "message"),
    [
        (("en", "xx"), Tiers(high=("en", "xx")), "no language 'xx'"),
        (("en", "de"), Tiers(high=("en",)), "needs the tier of 'de'"),
    ],
)
def test_bad_languages_are_named(defaults: Settings, languages: tuple[str, ...], tiers: Tiers, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cldr_training_set(data(defaults), languages, tiers)


def test_names_are_normal_text() -> None:
    for code in available_languages():
        for name in concept_names(code).values():
            assert name.strip() == name
            assert not any(unicodedata.category(sign) == "Cc" for sign in name)


@pytest.mark.parametrize("text", ["", "nairobi", "ho chi minh city", "n'djamena", "ὰβγ"])
@pytest.mark.parametrize(
    "names", [set(), {"oman"}, {"niger", "chi min"}, {"nairobi"}, {"y"}, {"γ"}, {"longer than any"}]
)
def test_a_name_in_a_place_is_seen(text: str, names: set[str]) -> None:
    """Looked up by the place's parts: asking each of thousands of names took .4 s of CPU every time."""
    assert _has_one(text, names) == any(name in text for name in names)
