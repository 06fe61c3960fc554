"""SQuAD-format corpora: counts of the real ones, broken files named, downloads verified."""

import hashlib
import http.server
import json
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from sweep.data.benchmark import Benchmark, Question
from sweep.data.corpora import corpus_folder
from sweep.data.leakage import check_zero_shot
from sweep.data.splitting import sentence_spans
from sweep.data.squad import squad_benchmark, squad_languages, squad_rows
from sweep.data.training_set import TrainingSet, training_set_of
from sweep.errors import InputError
from sweep.settings import Corpus, HttpOrigin, SquadData, SquadEvaluation
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings, load_settings

CONTEXT = "Rome is old. Oslo is cold."


def squad(**changes: Any) -> dict[str, Any]:
    question = {"id": "q1", "question": "What is cold?", "answers": [{"answer_start": 13}]}
    question |= changes.pop("question", {})
    paragraph = {"context": CONTEXT, "sentence_breaks": [[0, 12], [13, 26]], "qas": [question]} | changes
    return {"data": [{"title": "Cities", "paragraphs": [paragraph]}]}


def write(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder


def own_corpus(name: str = "toy") -> Corpus:
    return Corpus(name=name, languages=(), licence=None, citation=None, origin=None)


def declared(name: str) -> Corpus:
    """What conf/corpus/<name>.yaml declares."""
    settings = load_settings(Composer("sweep", [f"data={name}"]))
    assert isinstance(settings.data, SquadData)
    return settings.data.corpus


def evaluation(folder: Path, **changes: Any) -> SquadEvaluation:
    fields = {
        "kind": "squad",
        "name": "toy",
        "corpus": own_corpus(),
        "tiers": None,
        "debias": (),
        "debias_on": "pool",
        "debias_pivot": None,
        "path": str(folder),
        "candidates": "auto",
        "context": False,
        "misplaced_answers": 0.05,
        "unit": "paragraph",
        "max_questions": None,
    }
    return SquadEvaluation.model_validate({**fields, **changes})


def squad_training_set(settings: SquadData, languages: tuple[str, ...], cache: Path) -> TrainingSet:
    return training_set_of(squad_rows(settings, languages, cache), languages)


def training(folder: Path, **changes: Any) -> SquadData:
    fields = {
        "kind": "squad",
        "corpus": own_corpus(),
        "path": str(folder),
        "candidates": "auto",
        "context": False,
        "misplaced_answers": 0.05,
        "max_questions": None,
    }
    return SquadData.model_validate({**fields, **changes})


def passages(folder: Path, **changes: Any) -> list[str]:
    """The candidates of a folder's languages."""
    return [passage.text for passage in squad_benchmark(evaluation(folder, **changes), None, Path()).passages]


# The real corpora ---------------------------------------------------------------------------------------------


def test_xquad_r_counts(assets: Path) -> None:
    bench = squad_benchmark(evaluation(assets / "data/xquad-r", name="xquad_r"), None, Path())
    assert len(bench.languages) == 11
    assert len(bench.questions) == 13090
    assert len(bench.passages) == 13014
    assert {len(found) for found in bench.relevant_q} == {11}
    candidates = {code: sum(p.language == code for p in bench.passages) for code in bench.languages}
    assert (min(candidates.values()), candidates["th"]) == (852, 852)
    assert (max(candidates.values()), candidates["de"]) == (1276, 1276)
    assert {sum(q.language == code for q in bench.questions) for code in bench.languages} == {1190}


def test_mlqa_r_trains_zero_shot_for_xquad_r(assets: Path) -> None:
    languages = ("ar", "de", "en", "es", "hi")
    data = squad_training_set(training(assets / "data/mlqa-r", corpus=declared("mlqa_r")), languages, Path())
    present_lg = data.questions.present_lg(len(languages))
    assert present_lg[2].sum() == 1148
    per_group = present_lg.sum(0)
    assert (per_group.min(), per_group.max()) == (1, 4)  # 2- to 4-way parallel, partly with vi and zh
    check_zero_shot(data, squad_benchmark(evaluation(assets / "data/xquad-r", name="xquad_r"), ("en", "th"), Path()))
    english = squad_benchmark(evaluation(assets / "data/mlqa-r"), ("en",), Path())
    for trained in (data, squad_training_set(training(assets / "data/mlqa-r"), ("ar", "es"), Path())):
        with pytest.raises(InputError, match="occur in the training data"):
            check_zero_shot(trained, english)


def test_mlqa_r_lacks_some_answers(assets: Path) -> None:
    bench = squad_benchmark(evaluation(assets / "data/mlqa-r", name="mlqa_r"), ("ar", "en"), Path())
    assert {len(found) for found in bench.relevant_q} == {1, 2}


def test_the_data_files_are_those_of_the_public_origin(assets: Path) -> None:
    for name, folder in (("xquad_r", "xquad-r"), ("mlqa_r", "mlqa-r")):
        origin = declared(name).origin
        assert isinstance(origin, HttpOrigin)
        files = list((assets / "data" / folder).glob("*.json"))
        assert files
        for file in files:
            assert hashlib.sha256(file.read_bytes()).hexdigest() == origin.sha256[file.stem]


# Units: what is parallel across languages ----------------------------------------------------------------------


def units(bench: Benchmark) -> dict[str, set[int]]:
    """The numbers of the units that each language's passages are in."""
    unit_d = bench.passages.unit_d
    return {code: set(unit_d[[p.language == code for p in bench.passages]].tolist()) for code in bench.languages}


def test_the_paragraphs_of_xquad_r_are_parallel(assets: Path) -> None:
    bench = squad_benchmark(evaluation(assets / "data/xquad-r", corpus=declared("xquad_r")), None, Path())
    found = units(bench)
    assert len(found["en"]) == 240
    assert all(numbers == found["en"] for numbers in found.values())
    unit_d = bench.passages.unit_d
    # The translations of an answer lie in translations of one paragraph.
    assert {len(set(unit_d[relevant].tolist())) for relevant in bench.relevant_q} == {1}


def test_the_groups_of_mlqa_r_are_units(assets: Path) -> None:
    settings = load_evaluate_settings(
        Composer("evaluate", ["model.path=x", "evaluation=mlqa_r", f"evaluation.path={assets}/data/mlqa-r"])
    ).evaluation
    assert isinstance(settings, SquadEvaluation)
    assert settings.unit == "group"
    bench = squad_benchmark(settings, ("ar", "de", "en"), Path())
    unit_d = bench.passages.unit_d
    answering: set[int] = set()
    for relevant in bench.relevant_q:
        assert len(set(unit_d[relevant].tolist())) == 1
        answering |= set(relevant.tolist())
    silent = [unit for row, unit in enumerate(unit_d.tolist()) if row not in answering]
    assert silent
    assert len(set(silent)) == len(silent)
    assert not set(silent) & {unit_d[row] for row in answering}


def test_a_shared_sentence_links_its_questions_in_all_languages(tmp_path: Path) -> None:
    def asked(**starts: int) -> dict[str, Any]:
        qas = [{"id": id_, "question": f"{id_}?", "answers": [{"answer_start": at}]} for id_, at in starts.items()]
        return squad(qas=qas, context=f"{CONTEXT} Bern is green.", sentence_breaks=[[0, 12], [13, 26], [27, 41]])

    # "Rome is old." answers q1 and q2 in English only; in German q1 and q2 are answered by different sentences, and
    # in Hindi there is but q2.
    write(tmp_path, en=asked(q1=0, q2=0, q3=27), de=asked(q2=0, q1=13), hi=asked(q2=27, q3=0))
    bench = squad_benchmark(evaluation(tmp_path, unit="group"), ("de", "en", "hi"), Path())
    unit_of = dict(zip((p.id for p in bench.passages), bench.passages.unit_d.tolist(), strict=True))
    linked, third = unit_of["en:00000.0000.0000"], unit_of["en:00000.0000.0002"]
    assert unit_of["de:00000.0000.0000"] == unit_of["de:00000.0000.0001"] == unit_of["hi:00000.0000.0002"] == linked
    assert unit_of["hi:00000.0000.0000"] == third != linked
    silent = [unit_of[id_] for id_ in ("en:00000.0000.0001", "de:00000.0000.0002", "hi:00000.0000.0001")]
    assert len({*silent, linked, third}) == 5
    by_paragraph = squad_benchmark(evaluation(tmp_path), ("de", "en", "hi"), Path())
    assert len(set(by_paragraph.passages.unit_d.tolist())) == 1


# Reading ------------------------------------------------------------------------------------------------------


def test_sentences_and_context(tmp_path: Path) -> None:
    write(tmp_path, en=squad())
    assert passages(tmp_path) == ["Rome is old.", "Oslo is cold."]
    bench = squad_benchmark(evaluation(tmp_path, context=True), None, Path())
    assert [p.text for p in bench.passages] == [f"Rome is old. {CONTEXT}", f"Oslo is cold. {CONTEXT}"]
    assert bench.questions == (Question("q1", "en", "What is cold?"),)
    assert bench.relevant_q[0].tolist() == [1]


def test_fewer_questions_keep_only_their_paragraphs(tmp_path: Path) -> None:
    both = squad()
    other = squad(question={"id": "q2"}, context="Bern is old. Kiev is cold.")["data"][0]["paragraphs"][0]
    both["data"][0]["paragraphs"].append(other)
    bench = squad_benchmark(evaluation(write(tmp_path, en=both), max_questions=1), ("en",), Path())
    assert (len(bench.questions), len(bench.passages)) == (1, 2)
    whole = squad_benchmark(evaluation(tmp_path), ("en",), Path())
    assert (len(whole.questions), len(whole.passages)) == (2, 4)
    assert len(squad_training_set(training(tmp_path, max_questions=1), ("en",), Path()).groups) == 1
    assert (evaluation(tmp_path).is_whole, evaluation(tmp_path, max_questions=1).is_whole) == (True, False)


def test_fewer_paragraphs_are_the_same_in_every_language_and_keep_their_questions(assets: Path) -> None:
    folder, codes = assets / "data" / "xquad-r", ("en", "th")
    some = squad_benchmark(evaluation(folder, max_paragraphs=10), codes, Path())
    assert len({passage.unit for passage in some.passages}) == 10
    asked = {code: {one.group for one in some.questions if one.language == code} for code in codes}
    assert asked["en"] == asked["th"]
    assert 30 < len(asked["en"]) < 70
    more = squad_benchmark(evaluation(folder, max_paragraphs=20), codes, Path())
    assert {one.id for one in some.passages} < {one.id for one in more.passages}
    with pytest.raises(ValueError, match="set unit=paragraph if they are parallel"):
        evaluation(folder, max_paragraphs=10, unit="group")
    assert evaluation(folder).fingerprint() != evaluation(folder, max_paragraphs=10).fingerprint()
    assert "max_paragraphs" not in evaluation(folder).plain()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{not json", r"en\.json: Invalid JSON"),
        (squad(question={"answers": [{"answer_start": 12}]}), r"en\.json: question 'q1': its answer at offset 12"),
        (
            squad(question={"answers": []}),
            r"en\.json: article 1, paragraph 1, question 'q1': answers is empty; .*impos",
        ),
        (squad(question={"question": ""}), r"en\.json: article 1, paragraph 1, question 'q1': question is empty"),
        (
            squad(question={"question": None}),
            r"en\.json: article 1, paragraph 1, question 'q1': question must be|should",
        ),
        (squad(sentence_breaks=[[0, 12], [13, 99]]), r"en\.json: article 1, paragraph 1: sentence_breaks \[13, 99\]"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "paragraph 1: context is missing"),
        ({"data": [{"paragraphs": [{"context": "a", "qas": [{}]}]}]}, "paragraph 1, question 1: id is missing"),
        ({"version": 1}, r"en\.json: is not in SQuAD's format; it must read \{"),
        ([], r"en\.json: is not in SQuAD's format; it must read \{"),
        (squad()["data"], r'en\.json: is a list of articles: write \{"data": …\} around it'),
        (squad()["data"][0], r'en\.json: is one article: write \{"data": \[…\]\} around it'),
        (
            squad()["data"][0]["paragraphs"],
            r'a list of paragraphs: write \{"data": \[\{"paragraphs": …\}\]\} around it',
        ),
        (
            squad()["data"][0]["paragraphs"][0],
            r'one paragraph: write \{"data": \[\{"paragraphs": \[…\]\}\]\} around it',
        ),
        ('{"id": "q1"}\n{"id": "q2"}\n', r"en\.json: is JSON Lines, .* as SQuAD does: \{"),
        (" \n", r"en\.json: is empty"),
        (json.dumps(squad())[:150], r"en\.json: Invalid JSON: EOF .* column 150: it is cut short; fetch it again"),
    ],
)
def test_a_broken_file_is_named_with_its_question(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        squad_benchmark(evaluation(write(tmp_path, en=content)), ("en",), Path())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(squad()).encode("utf-16"), r"en\.json: is in UTF-16 or UTF-32; convert it to UTF-8: iconv"),
        (json.dumps(squad()).encode("utf-16-be"), r"en\.json: is in UTF-16 or UTF-32; convert it to UTF-8: iconv"),
        ('{"data":\n  "é"}'.encode("latin-1"), r"en\.json: line 2, byte 4 \(0xe9\) is not UTF-8; .*iconv -f CP1252"),
        ('{"data": "é'.encode()[:-1], r"en\.json: ends within a character: it is cut short"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "en.json").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        passages(tmp_path)
    assert "\n" not in str(caught.value)


# Files as they are published ----------------------------------------------------------------------------------


def test_what_real_files_have_is_read(tmp_path: Path) -> None:
    """A byte order mark, a title that is null, an id that is a number."""
    content = squad(question={"id": 7})
    content["data"][0]["title"] = None
    (tmp_path / "en.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())
    bench = squad_benchmark(evaluation(tmp_path), None, Path())
    assert bench.questions == (Question("7", "en", "What is cold?"),)
    assert bench.notes == ()


def unanswerable(id_: str) -> dict[str, Any]:
    return {"id": id_, "question": "Why?", "answers": [], "is_impossible": True, "plausible_answers": []}


def test_questions_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    content = squad(question={"is_impossible": False})
    content["data"][0]["paragraphs"][0]["qas"] += [unanswerable("n1"), unanswerable("n2")]
    write(tmp_path, en=content, de=squad())
    line = (
        "evaluation 'toy': questions without an answer (is_impossible), left out: en 2 of 3; the first: question 'n1'"
    )
    bench = squad_benchmark(evaluation(tmp_path), None, Path())
    assert [question.group for question in bench.questions] == ["q1", "q1"]
    assert bench.notes == (line,)
    data = squad_training_set(training(tmp_path), ("de", "en"), Path())
    assert list(data.groups) == ["q1"]
    assert data.notes == (line.replace("evaluation", "data"),)


def test_what_is_given_twice_is_kept_once_and_counted(tmp_path: Path) -> None:
    """Exports that write a paragraph for each of its questions, and files that were joined."""
    content = squad()
    paragraphs = content["data"][0]["paragraphs"]
    paragraphs += [squad(question={"id": "q2"})["data"][0]["paragraphs"][0], paragraphs[0]]
    bench = squad_benchmark(evaluation(write(tmp_path, en=content)), None, Path())
    assert [passage.text for passage in bench.passages] == ["Rome is old.", "Oslo is cold."]
    assert [relevant.tolist() for relevant in bench.relevant_q] == [[1], [1]]
    assert bench.notes == (
        "evaluation 'toy': questions given more than once, kept once: en 1 of 3; the first: question 'q1'",
        "evaluation 'toy': paragraphs given more than once, kept once: en 2 of 3; the first: article 1, paragraph 2",
    )
    assert list(squad_training_set(training(tmp_path), ("en",), Path()).groups) == ["q1", "q2"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (squad(question={"question": "What is old?"}), "question id 'q1' occurs twice, .* another text"),
        (
            squad(question={"answers": [{"answer_start": 0}]}),
            "question id 'q1' occurs twice, .* another first answer",
        ),
        (squad(context=f"{CONTEXT} Bern."), "question id 'q1' occurs twice, .* another context"),
        (squad(question={"negatives": ["a"]}), "question id 'q1' occurs twice, .* another negatives"),
        (
            squad(sentence_breaks=[[0, 26]]),
            "paragraph 2 has the context of article 1, paragraph 1 with other sentence_br",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, second: Any, message: str) -> None:
    content = squad()
    content["data"][0]["paragraphs"] += second["data"][0]["paragraphs"]
    write(tmp_path, en=content)
    for read in (lambda: passages(tmp_path), lambda: squad_training_set(training(tmp_path), ("en",), Path())):
        with pytest.raises(InputError, match=message):
            read()


# Sentences and paragraphs -------------------------------------------------------------------------------------

PLAIN = {"en": "Dr. A. Smith is in Rome. He is old! Oslo is cold.", "de": "Es ist z. B. kalt. In Oslo.\n\nEnde."}


def plain(context: str, answer: str, **more: Any) -> dict[str, Any]:
    """A file without sentence_breaks, as XQuAD, ARCD, TQuAD and KorQuAD are."""
    answers = [{"answer_start": context.index(answer), "text": answer}]
    return {
        "data": [
            {
                "title": None,
                "paragraphs": [
                    {"context": context, "qas": [{"id": "q1", "question": "?", "answers": answers}]} | more
                ],
            }
        ]
    }


def test_a_file_without_sentence_breaks_has_whole_paragraphs(tmp_path: Path) -> None:
    write(tmp_path, en=plain(PLAIN["en"], "Oslo"), de=plain(PLAIN["de"], "Oslo"))
    bench = squad_benchmark(evaluation(tmp_path), None, Path())
    assert [passage.text for passage in bench.passages] == [PLAIN["de"], PLAIN["en"]]
    assert [relevant.tolist() for relevant in bench.relevant_q] == [[0, 1], [0, 1]]
    line = (
        "evaluation 'toy': its files have no sentence_breaks, so each candidate is a whole paragraph; "
        "for sentences set evaluation.candidates=sentence"
    )
    assert bench.notes == (line,)
    data = squad_training_set(training(tmp_path), ("en",), Path())
    assert list(data.texts) == ["?", PLAIN["en"]]
    assert data.notes == (line.replace("evaluation", "data"),)
    # Asked for, there is nothing to say. Breaks are not looked at then, and neither are offsets.
    write(tmp_path, en=squad(sentence_breaks=[[0, 12]]), de=plain(PLAIN["de"], "Oslo"))
    bench = squad_benchmark(evaluation(tmp_path, candidates="paragraph"), None, Path())
    assert [passage.text for passage in bench.passages] == [PLAIN["de"], CONTEXT]
    assert bench.notes == ()


def test_a_file_without_sentence_breaks_is_split_by_its_language(tmp_path: Path) -> None:
    write(tmp_path, en=plain(PLAIN["en"], "old"), de=plain(PLAIN["de"], "Oslo"), th=squad())
    bench = squad_benchmark(evaluation(tmp_path, candidates="sentence"), None, Path())
    split = {code: [p.text for p in bench.passages if p.language == code] for code in bench.languages}
    assert split == {
        "de": ["Es ist z. B. kalt.", "In Oslo.", "Ende."],
        "en": ["Dr. A. Smith is in Rome.", "He is old!", "Oslo is cold."],
        "th": ["Rome is old.", "Oslo is cold."],  # by its sentence_breaks
    }
    assert {bench.passages[row].text for row in bench.relevant_q[0]} == {"In Oslo.", "He is old!", "Oslo is cold."}
    assert bench.notes == (
        "evaluation 'toy': paragraphs without sentence_breaks, split by sentencex: de 1 into 3 sentences, "
        "en 1 into 3 sentences",
    )


def test_an_answer_across_a_split_is_counted(tmp_path: Path) -> None:
    write(tmp_path, en=plain(PLAIN["en"], "old! Oslo"))
    for notes in (
        squad_benchmark(evaluation(tmp_path, candidates="sentence"), None, Path()).notes,
        squad_training_set(training(tmp_path, candidates="sentence"), ("en",), Path()).notes,
    ):
        assert len(notes) == 2
        assert notes[1].endswith(
            "'toy': answers that go on in the sentence after, which is not taken to be relevant: en 1 of 1; "
            "the first: question 'q1'"
        )
    write(tmp_path, en=squad(question={"answers": [{"answer_start": 8, "text": "old. Oslo"}]}))
    assert squad_benchmark(evaluation(tmp_path), None, Path()).notes == ()  # its own breaks are what the corpus says


def test_sentences_beside_paragraphs_are_refused(tmp_path: Path) -> None:
    write(tmp_path, en=squad(), de=plain(PLAIN["de"], "Oslo"))
    with pytest.raises(
        InputError, match=r"de\.json, article 1, paragraph 1: has no .*evaluation\.candidates=sentence"
    ):
        passages(tmp_path)
    assert len(passages(tmp_path, candidates="sentence")) == 5
    assert len(passages(tmp_path, candidates="paragraph")) == 2
    for changes in ({"candidates": "paragraph"}, {"path": str(write(tmp_path, en=plain(PLAIN["en"], "Oslo")))}):
        with pytest.raises(InputError, match=r"data\.context=true: candidates are whole paragraphs here"):
            squad_training_set(training(tmp_path, context=True, **changes), ("en",), Path())


def test_offsets_are_of_no_matter_to_whole_paragraphs(tmp_path: Path) -> None:
    """But an answer that the paragraph does not have is."""
    write(tmp_path, de=facts(lambda context, start, number: -1, wrong=40))
    assert len(passages(tmp_path, candidates="paragraph")) == 40
    content = facts(lambda context, start, number: start, wrong=0)
    for paragraph in content["data"][0]["paragraphs"][:2]:
        paragraph["qas"][0]["answers"][0]["text"] = "miles"
    bench = squad_benchmark(evaluation(write(tmp_path, de=content), candidates="paragraph"), None, Path())
    assert bench.notes == (
        "evaluation 'toy': answers that do not occur in their paragraph, taken to be answered by it: de 2 of 40; "
        "the first: question 'q0'",
    )


def test_splits_of_the_real_paragraphs_cut_few_answers(assets: Path, tmp_path: Path) -> None:
    """XQuAD is XQuAD-R without its breaks."""
    for code in ("de", "hi", "zh"):
        content = json.loads((assets / f"data/xquad-r/{code}.json").read_text())
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                del paragraph["sentence_breaks"]
        write(tmp_path, **{f"xquad.{code}": content})
    bench = squad_benchmark(evaluation(tmp_path, candidates="sentence"), None, Path())
    assert bench.notes == (
        "evaluation 'toy': paragraphs without sentence_breaks, split by sentencex: de 240 into 1,266 sentences, "
        "hi 240 into 1,204 sentences, zh 240 into 1,148 sentences",
        "evaluation 'toy': answers that go on in the sentence after, which is not taken to be relevant: "
        "de 6 of 1,190, hi 3 of 1,190, zh 1 of 1,190; the first: question '57111713a58dae1900cd6c03'",
    )


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(
    st.lists(
        st.sampled_from(
            [*".!?。।…\n\r\t \u2028\u2029\x85\u3000\"'()“”Aaé中ก🙂\u0301\ufeff\0۔", " Dr.", "z.B. ", " A. "]
        )
    ).map("".join)
    | st.text(),
    st.sampled_from(["ar", "de", "en", "hi", "ja", "kk", "th", "xx", "zh"]),
)
def test_a_split_loses_nothing(text: str, language: str) -> None:
    spans = sentence_spans(text, language)
    assert "".join(text[low:high] for low, high in spans) == (text if text.strip() else "")
    assert all(text[low:high].strip() for low, high in spans)


# Answers where they are not ------------------------------------------------------------------------------------

FACTS = [f"Dér Fluß Né{n} ist {n * 37} 🙂 km lang. Größe {n}." for n in range(1, 41)]


def facts(move: Callable[[str, int, int], int], wrong: int) -> dict[str, Any]:
    """40 paragraphs with a question each; of the first `wrong` the offset is what `move` makes of context, offset and
    number."""
    paragraphs = []
    for number, context in enumerate(FACTS):
        start, split = context.index("km lang"), context.index("Größe")
        answer = {"answer_start": move(context, start, number) if number < wrong else start, "text": "km lang"}
        question = {"id": f"q{number}", "question": f"Nº{number}?", "answers": [answer]}
        breaks = [[0, split - 1], [split, len(context)]]
        paragraphs.append({"context": context, "sentence_breaks": breaks, "qas": [question]})
    return {"data": [{"paragraphs": paragraphs}]}


@pytest.mark.parametrize(
    ("move", "looks"),
    [
        (lambda context, start, number: len(context[:start].encode()), "it looks as if offsets are in UTF-8 bytes"),
        (
            lambda context, start, number: len(context[:start].encode("utf-16-le")) // 2,
            r"it looks as if offsets are in UTF-16 units and must be in characters \(Unicode code points\)",
        ),
        (
            lambda context, start, number: len(unicodedata.normalize("NFD", context[:start])),
            "it looks as if offsets are those of the context in Unicode's form NFD",
        ),
        (lambda context, start, number: start + 20, r"it looks as if offsets were shifted by \+20;"),
        (lambda context, start, number: start - 1, r"it looks as if offsets were shifted by -1;"),
        (lambda context, start, number: 0, "all of these offsets are 0;"),
        (lambda context, start, number: -1, "; correct the file"),
        (lambda context, start, number: (number * 7) % 11 + 30, "has '[^']*'; correct the file"),
    ],
)
def test_offsets_that_are_wrong_are_refused_with_what_they_look_like(
    tmp_path: Path, move: Callable[[str, int, int], int], looks: str
) -> None:
    write(tmp_path, de=facts(move, wrong=40))
    begin = (
        r"de\.json: \d+ of 40 answers do not stand where answer_start says in their context, the first: .* 'q\d+', "
    )
    for key, read in (
        ("evaluation", lambda: passages(tmp_path)),
        ("data", lambda: squad_training_set(training(tmp_path), ("de",), Path())),
    ):
        with pytest.raises(InputError, match=f"{begin}.*{looks}.*{key}.misplaced_answers .it is 0.05") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_answers_that_are_nowhere_are_refused(tmp_path: Path) -> None:
    content = facts(lambda context, start, number: start, 0)
    for paragraph in content["data"][0]["paragraphs"]:
        paragraph["qas"][0]["answers"][0]["text"] = "KM LANG"
    with pytest.raises(InputError, match="'KM LANG', where the context has 'km lang'; these answers are nowhere in "):
        passages(write(tmp_path, de=content))


def test_a_few_wrong_offsets_are_counted(tmp_path: Path) -> None:
    write(tmp_path, de=facts(lambda context, start, number: start + 1, wrong=2))
    line = (
        "evaluation 'toy': answers that do not stand where answer_start says, taken as it says: de 2 of 40; "
        "the first: question 'q0'"
    )
    assert squad_benchmark(evaluation(tmp_path), None, Path()).notes == (line,)
    assert squad_training_set(training(tmp_path), ("de",), Path()).notes == (line.replace("evaluation", "data"),)
    with pytest.raises(InputError, match=r"2 of 40 answers .*evaluation\.misplaced_answers \(it is 0\.04\)"):
        passages(tmp_path, misplaced_answers=0.04)
    write(tmp_path, de=facts(lambda context, start, number: start + 1, wrong=40))
    assert len(passages(tmp_path, misplaced_answers=1.0)) == 80


def test_no_answer_of_the_real_corpora_is_misplaced(assets: Path) -> None:
    for name in ("xquad-r", "mlqa-r"):
        settings = evaluation(assets / "data" / name, misplaced_answers=0.0)
        assert squad_benchmark(settings, ("ar", "de", "hi"), Path()).notes == ()


@pytest.mark.parametrize("name", ["{}", "xquad.{}", "xquad.v1.1.{}", "dev-context-{0}-question-{0}"])
def test_languages_are_taken_from_names_in_use(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name.format("en"): squad(), name.format("de"): squad()})
    for beside in ("README", "._en", ".DS_Store", ".hidden", "dev-context-de-question-en", "dataset_infos"):
        (tmp_path / f"{beside}.json").write_text("no corpus")
    (tmp_path / "th.json").mkdir()
    assert squad_languages(own_corpus(), str(tmp_path)) == ("de", "en")
    assert squad_benchmark(evaluation(tmp_path), None, Path()).languages == ("de", "en")
    assert squad_training_set(training(tmp_path), ("en",), Path()).languages == ("en",)


def test_files_whose_language_nobody_can_tell_are_named(tmp_path: Path) -> None:
    write(tmp_path, **{"train-v1.1": squad()})
    (tmp_path / "de.jsonl").touch()
    with pytest.raises(
        InputError, match=r"no <language>\.json in .* \(there: de\.jsonl, train-v1\.1\.json\); name each "
    ):
        squad_languages(own_corpus(), str(tmp_path))
    write(tmp_path, **{"xquad.en": squad(), "en": squad()})
    with pytest.raises(
        InputError, match=r"language 'en' has two files, en\.json and xquad\.en\.json; leave one there"
    ):
        squad_benchmark(evaluation(tmp_path), None, Path())


def test_missing_languages_and_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path, en=squad())
    with pytest.raises(InputError, match=r"th\.json: no such file; .* has: en"):
        squad_benchmark(evaluation(tmp_path), ("en", "th"), Path())
    with pytest.raises(InputError, match="no such folder"):
        squad_benchmark(evaluation(tmp_path / "absent"), ("en",), Path())
    with pytest.raises(InputError, match="xquad_r has no language 'xx'; it has: ar, de, el"):
        squad_training_set(training(tmp_path, corpus=declared("xquad_r"), path=None), ("xx",), Path())
    with pytest.raises(InputError, match=r"toy has no public origin: .*data\.path=FOLDER"):
        squad_training_set(training(tmp_path, path=None), ("en",), Path())


# Downloading, from a real HTTP server -------------------------------------------------------------------------


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, tuple[int, bytes, int]]], str]]:
    """serve({name: (status, content, announced length)}) -> base URL."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(files: dict[str, tuple[int, bytes, int]]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content, length = files.get(self.path.lstrip("/"), (404, b"", 0))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


GOOD = json.dumps(squad()).encode()


def corpus(url: str, content: bytes = GOOD) -> Corpus:
    origin = HttpOrigin(kind="http", url=url, sha256={"en": hashlib.sha256(content).hexdigest()})
    return Corpus(name="toy", languages=("en",), licence="none", citation="none", origin=origin)


def test_a_good_download_is_kept(serve: Callable[..., str], tmp_path: Path) -> None:
    url = serve({"en.json": (200, GOOD, len(GOOD))})
    folder = corpus_folder(corpus(url), None, ("en",), tmp_path, "data")
    assert len(passages(folder)) == 2
    again = corpus_folder(corpus("http://127.0.0.1:9/"), None, ("en",), tmp_path, "data")  # no second download
    assert again == folder


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, GOOD[:50], len(GOOD)), r"en\.json: (cannot be downloaded|the download does not have)"),
        ((200, GOOD + b" ", len(GOOD) + 1), r"en\.json: the download does not have the expected SHA-256"),
        ((404, b"", 0), r"en\.json: cannot be downloaded \(HTTP status 404\)"),
    ],
)
def test_a_bad_download_is_refused_and_not_kept(
    serve: Callable[..., str], tmp_path: Path, answer: tuple[int, bytes, int], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        corpus_folder(corpus(serve({"en.json": answer})), None, ("en",), tmp_path, "evaluation")
    assert "evaluation.path=FOLDER" in str(caught.value)
    assert not (tmp_path / "toy" / "en.json").exists()


def test_no_connection_is_one_clear_message(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(
            InputError, match=r"cannot be downloaded \(no connection to the server\); .*data\.path=FOLDER"
        ):
            corpus_folder(corpus(url), None, ("en",), tmp_path, "data")
