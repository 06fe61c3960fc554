"""Texts of questions from what is on the machine, and published figures of the benchmarks that have any."""

import json
import socket
from pathlib import Path

import pytest
from tests.unit.test_squad import CONTEXT, squad
from tests.unit.test_study import settings_of

from sweep.answer.published import published_figures
from sweep.answer.question_texts import LONGEST, texts_of
from sweep.records.checksums import digest_of
from sweep.settings import HttpOrigin, Settings

OF_XQUAD = ("evaluation=xquad_r", "study.objectives=[{metric: xquad_r/pooled/map, direction: maximize}]")
XQUAD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def write(folder: Path, question: str = "What is cold?") -> Path:
    """Two languages, as files of XQuAD-R."""
    folder.mkdir(parents=True, exist_ok=True)
    for code in ("en", "de"):
        own = f"{code}: {question}"
        content = squad(
            question={"question": own}, context=CONTEXT.replace("Oslo", "Oslo" if code == "en" else "Bern")
        )
        (folder / f"{code}.json").write_text(json.dumps(content))
    return folder


def of_folder(folder: Path) -> Settings:
    """A benchmark of one's own."""
    languages = ("languages.train=[en,de]", "languages.evaluate=[en,de]", "languages.tiers=null")
    return settings_of(*OF_XQUAD, *languages, f"evaluation.path={folder}")


def test_the_question_and_its_passage_in_the_language_asked_for(tmp_path: Path) -> None:
    settings = of_folder(write(tmp_path))
    texts = texts_of(settings, settings.evaluation, [("q1", "en", "de"), ("q1", "de", "en")])
    assert texts == [("en: What is cold?", "Bern is cold."), ("de: What is cold?", "Oslo is cold.")]


def test_a_long_text_is_shortened(tmp_path: Path) -> None:
    settings = of_folder(write(tmp_path, "x" * 1000))
    ((question, _),) = (pair for pair in texts_of(settings, settings.evaluation, [("q1", "en", "de")]) if pair)
    assert len(question) == LONGEST
    assert question.endswith("x…")


def test_without_the_very_questions_there_is_no_text(tmp_path: Path) -> None:
    """It is another benchmark than the study's."""
    settings = of_folder(write(tmp_path))
    assert texts_of(settings, settings.evaluation, [("q1", "en", "de"), ("q2", "en", "de")]) == [None, None]
    assert texts_of(settings, settings.evaluation, [("q1", "en", "th")]) == [None]
    (tmp_path / "en.json").write_text("{")
    assert texts_of(settings, settings.evaluation, [("q1", "en", "de")]) == [None]
    assert texts_of(of_folder(tmp_path / "gone"), of_folder(tmp_path / "gone").evaluation, [("q1", "en", "de")]) == [
        None
    ]


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    settings = settings_of(
        *OF_XQUAD, "languages.train=[en,de]", "languages.evaluate=[en,de]", "languages.tiers=null",
        f"paths.cache={tmp_path}",
    )  # fmt: skip
    wanted = [("q1", "en", "de")]
    assert texts_of(settings, settings.evaluation, wanted) == [None]
    write(tmp_path / "xquad_r")
    assert texts_of(settings, settings.evaluation, wanted) == [None]  # files that are not the pinned ones
    corpus = settings.evaluation.corpus
    assert corpus is not None
    assert isinstance(corpus.origin, HttpOrigin)
    sums = {code: digest_of(tmp_path / "xquad_r" / f"{code}.json") for code in ("en", "de")}
    origin = corpus.origin.model_copy(update={"sha256": corpus.origin.sha256 | sums})
    evaluation = settings.evaluation.model_copy(update={"corpus": corpus.model_copy(update={"origin": origin})})
    settings = settings.model_copy(update={"evaluation": evaluation})
    assert texts_of(settings, evaluation, wanted) == [("en: What is cold?", "Bern is cold.")]


def test_a_corpus_of_the_hub_is_not_asked_for(tmp_path: Path) -> None:
    evaluation = settings_of("evaluation=miracl", "languages.evaluate=[en]", "languages.tiers=null",
        "study.objectives=[{metric: miracl/mono/map, direction: maximize}]", f"paths.cache={tmp_path}")  # fmt: skip
    assert texts_of(evaluation, evaluation.evaluation, [("q1", "en", "en")]) == [None]
    assert not any(tmp_path.iterdir())


# Published figures --------------------------------------------------------------------------------------------


def test_published_figures_are_those_of_the_whole_benchmark() -> None:
    evaluation = settings_of(*OF_XQUAD).evaluation
    figures = published_figures(evaluation, XQUAD, "pooled/map")
    named = {one.system: (one.ratio, one.value) for one in figures}
    assert named["XLM-R X-X-mono"] == (1.0, 0.547)
    assert named["LaBSE X-Y"] == (0.0, 0.679)
    assert named["LaBSE hybrid"] == (0.5, 0.682)
    assert named["mBERT X-X"] == (None, 0.23)
    assert len(figures) == 3 + 3 + 4
    assert all("another model and other training data" in one.source for one in figures)
    distances = published_figures(evaluation, XQUAD, "pooled/rank_distance")
    assert [one.value for one in distances] == [410, 295, 287, 262, 225, 221]
    assert published_figures(evaluation, XQUAD, "pooled/language_bias") == ()
    assert published_figures(evaluation, XQUAD[1:], "pooled/map") == ()
    smaller = settings_of(*OF_XQUAD, "evaluation.max_questions=100").evaluation
    assert published_figures(smaller, XQUAD, "pooled/map") == ()
    other = settings_of(
        "evaluation.name=xquad_r", "study.objectives=[{metric: xquad_r/mono/map, direction: maximize}]"
    )
    assert published_figures(other.evaluation, XQUAD, "pooled/map") == ()


def test_published_figures_of_mlqa_and_miracl() -> None:
    mlqa = settings_of("evaluation=mlqa_r", "study.objectives=[{metric: mlqa_r/pooled/map, direction: maximize}]")
    seven = ("ar", "de", "en", "es", "hi", "vi", "zh")
    assert [one.value for one in published_figures(mlqa.evaluation, seven, "cross/map")] == [
        0.584, 0.620, 0.623, 0.656, 0.677, 0.681,
    ]  # fmt: skip
    miracl = settings_of("evaluation=miracl", "study.objectives=[{metric: miracl/mono/map, direction: maximize}]")
    assert miracl.evaluation.corpus is not None
    every = miracl.evaluation.corpus.languages
    figures = published_figures(miracl.evaluation, every, "mono/ndcg@10")
    assert {(one.ratio, one.value) for one in figures if one.system.startswith("LaBSE")} == {
        (1.0, 0.455), (0.0, 0.418), (0.5, 0.441),
    }  # fmt: skip
    assert published_figures(miracl.evaluation, every[:14], "mono/ndcg@10") == ()
    assert published_figures(miracl.evaluation, every, "mono/map") == ()
