"""The embedded data: languages, split, parallelism, determinism."""

import unicodedata
from pathlib import Path

import pytest

from sweep.data.cldr import available_languages, cldr_benchmark, cldr_training_set, concept_names
from sweep.data.leakage import check_zero_shot
from sweep.data.training_set import ABSENT
from sweep.errors import InputError
from sweep.model.tokenizer import train_tokenizer, unigram_tokenizer
from sweep.settings import CldrData, CldrEvaluation, Settings, Tiers
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings


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
        assert (found.question_gl[:, column] != ABSENT).sum() == expected
        assert ((found.question_gl[:, column] == ABSENT) == (found.passage_gl[:, column] == ABSENT)).all()


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


def test_passages_and_questions_are_parallel(defaults: Settings) -> None:
    languages = ("en", "de", "sw")
    bench = cldr_benchmark(evaluation(defaults), languages)
    concept_of = {code: {name: concept for concept, name in concept_names(code).items()} for code in languages}
    for group in ("e00000", "e00007"):
        passages = [p for p in bench.passages if p.id.startswith(group)]
        assert len({frozenset(concept_of[p.language][n] for n in p.text.split(", ")) for p in passages}) == 1
    by_id = {p.id: p for p in bench.passages}
    for question, found in zip(bench.questions, bench.relevant_q, strict=True):
        assert {bench.passages[index].id for index in found} == {f"{question.group}:{code}" for code in languages}
        own = by_id[f"{question.group}:{question.language}"]
        assert set(question.text.split(", ")) < set(own.text.split(", "))


def test_data_are_deterministic_by_seed(defaults: Settings) -> None:
    tiers = Tiers(high=("en", "de"))
    first, again = (cldr_training_set(data(defaults), ("en", "de"), tiers).texts for _ in range(2))
    other = cldr_training_set(data(defaults).model_copy(update={"seed": 1}), ("en", "de"), tiers).texts
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
