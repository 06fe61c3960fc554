"""Mixes of several sources: what is apart, what is shared, and whose fault a fault is."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_rows import RECORDS, rows_settings, write_rows
from tests.unit.test_squad import squad, training, write

from sweep.data.mix import MixTraining
from sweep.data.registry import TRAINING
from sweep.data.remarks import Remark, remark_lines
from sweep.data.training_row import TrainingRow
from sweep.data.training_set import training_set_of
from sweep.errors import InputError
from sweep.evaluation.summarise import Evaluated
from sweep.report.card import model_card
from sweep.settings import LanguageSettings, MixData
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings


def mix(**sources: Any) -> MixData:
    return MixData(kind="mix", sources=sources)


def read(
    settings: MixData, *train: str, cache: Path = Path("cache"), remarks: list[Remark] | None = None
) -> list[TrainingRow]:
    languages = LanguageSettings(train=train or ("en", "sw"), evaluate=None, tiers=None)
    rows = TRAINING["mix"].open(settings, languages, cache)
    return list(rows.read([] if remarks is None else remarks))


def test_sources_keep_their_groups_apart(tmp_path: Path) -> None:
    write(tmp_path, en=squad())
    ours = write_rows(tmp_path / "a.jsonl", [RECORDS[1], {**RECORDS[0], "group": "q1"}])
    settings = mix(wiki=training(tmp_path), ours=rows_settings(ours))
    rows = read(settings)
    assert [(row.source, row.group, row.language) for row in rows] == [
        ("ours", "ours/g1", "sw"),
        ("ours", "ours/q1", "en"),
        ("wiki", "wiki/q1", "en"),
    ]
    assert settings.names == ("ours", "wiki")
    assert settings.title == f"rows of {ours} + toy"
    languages = LanguageSettings(train=("en", "sw"), evaluate=None, tiers=None)
    opened = TRAINING["mix"].open(settings, languages, tmp_path)
    assert opened.files == (ours, tmp_path / "en.json")
    assert len(training_set_of(opened, ("en", "sw")).groups) == 3


def test_the_order_in_which_sources_are_given_changes_nothing(tmp_path: Path) -> None:
    """The same settings, and so the same content to whoever compares it with what a study was begun with."""
    write(tmp_path, en=squad())
    sources = {"wiki": training(tmp_path), "ours": rows_settings(write_rows(tmp_path / "a.jsonl", RECORDS))}
    one, other = (mix(**dict(order)) for order in (sources.items(), reversed(sources.items())))
    assert one.fingerprint() == other.fingerprint()
    assert one.model_dump_json() == other.model_dump_json()
    languages = LanguageSettings(train=("en", "sw"), evaluate=None, tiers=None)
    digests = [
        training_set_of(TRAINING["mix"].open(order, languages, tmp_path), languages.train).digest
        for order in (one, other)
    ]
    assert digests[0] == digests[1]


def test_a_source_need_not_have_all_languages_but_one_must(tmp_path: Path) -> None:
    one = rows_settings(write_rows(tmp_path / "one.jsonl", [RECORDS[0]]))
    other = rows_settings(write_rows(tmp_path / "other.jsonl", [RECORDS[1]]))
    assert len(read(mix(one=one, other=other))) == 2
    with pytest.raises(InputError, match="none of one, other has a row in yo; remove it"):
        read(mix(one=one, other=other), "en", "sw", "yo")
    with pytest.raises(InputError, match=r"data.sources.other: rows of .*: no row in en; rows by language: sw 1"):
        read(mix(one=one, other=other), "en")
    write(tmp_path, en=squad())
    with pytest.raises(InputError, match=r"data.sources.wiki: it has none of languages.train \(sw\); it has: en"):
        read(mix(wiki=training(tmp_path), other=other), "sw")


def test_remarks_and_errors_name_the_source(tmp_path: Path) -> None:
    fine = rows_settings(write_rows(tmp_path / "a.jsonl", [*RECORDS, {**RECORDS[0], "language": "fr"}]))
    remarks: list[Remark] = []
    read(mix(ours=fine), remarks=remarks)
    assert remark_lines("data 'mix'", remarks) == (
        "data 'mix': ours: rows in languages that are not in languages.train are passed over: fr 1",
    )
    broken = tmp_path / "b.csv"
    broken.write_text("language,query,text\n")
    with pytest.raises(InputError, match=rf"^data.sources.theirs: {broken}:1: .* data.sources.theirs.columns.passag"):
        read(mix(ours=fine, theirs=rows_settings(broken)))
    with pytest.raises(InputError, match=r"^data.sources.wiki: toy: no <language>.json in "):
        read(mix(wiki=training(tmp_path / "gone")))


def test_every_reader_says_its_languages_or_that_it_does_not_know(tmp_path: Path) -> None:
    assert all(callable(reader.languages) for reader in TRAINING.values())
    ours = rows_settings(write_rows(tmp_path / "a.jsonl", RECORDS))
    write(tmp_path, en=squad(), de=squad())
    reader = MixTraining(TRAINING)
    assert reader.languages(mix(wiki=training(tmp_path))) == ("de", "en")
    assert reader.languages(mix(wiki=training(tmp_path), ours=ours)) is None


# As it is composed --------------------------------------------------------------------------------------------

TWO = ("data=mix", "+data@data.sources.mlqa=mlqa_r", "+data@data.sources.ours=rows", "data.sources.ours.path=a.jsonl")


def test_composition() -> None:
    settings = load_settings(Composer("sweep", [*TWO, "languages=mlqa_dev", "data.sources.mlqa.path=mlqa"]))
    assert isinstance(settings.data, MixData)
    assert settings.data.names == ("mlqa", "ours")
    other = load_settings(Composer("sweep", [*TWO, "languages=mlqa_dev", "data.sources.mlqa.path=elsewhere"]))
    assert settings.trial_fingerprint() != other.trial_fingerprint()
    card = model_card(settings, "key", Evaluated({}, {}), None)
    assert "| training data | mlqa_r + rows of a.jsonl, 5 languages |" in card


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data=mix"], "data.sources: a mix needs sources; add one or more, such as +data@data.sources.mlqa=mlqa_r"),
        (["data=mix", "+data@data.sources.a=mix"], "data.sources.a.kind='mix': must be one of: cldr, squad"),
        ([*TWO, "+data@data.sources.a.b=rows"], "sources.a=NAME: afriqa, beir, bitext"),
        ([*TWO, "data.sources.ours.colums.query=x"], "did you mean 'data.sources.ours.columns.query'"),
        ([*TWO, TWO[1]], "data@data.sources.mlqa is chosen twice"),
        (
            [*TWO, "evaluation=mlqa_r"],
            "data.sources.mlqa and evaluation are both 'mlqa_r': a study never trains on what it",
        ),
    ],
)
def test_wrong_mixes_are_one_message(overrides: list[str], expected: str) -> None:
    with pytest.raises(InputError) as refused:
        load_settings(Composer("sweep", overrides))
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "rows need their files: a path (a file, folder, pattern or URL), or a repository"),
        (["data.path=a", "data.repository=a/b"], "not both"),
        (["data.repository=a/b"], "needs a revision (a commit, of 40 hex digits) and files"),
        (["data.path=a", "data.columns.query=3"], "data.columns.query: 3 names no column"),
        (["data.path=a", "data.columns.query={english: q}"], "data.columns.query: 'english' is no language"),
        (["data.path=a", "data.columns.query={zh-CN: q, zh_CN: r}"], "has two columns for a language"),
        (["data.path=a", "data.files=['{split}.csv']"], "only {language} is replaced"),
        (["data.path=a", "data.delimiter=ab"], "must be auto or one character"),
    ],
)
def test_wrong_rows_are_one_message(overrides: list[str], expected: str) -> None:
    with pytest.raises(InputError) as refused:
        load_settings(Composer("sweep", ["data=rows", *overrides]))
    assert expected in str(refused.value)


def test_columns_on_the_command_line() -> None:
    overrides = ["data=rows", "data.path=a", "data.columns.query={eng: q, zh-CN: r}", "data.columns.negatives=[a, b]"]
    columns = load_settings(Composer("sweep", overrides)).data.columns
    assert columns.query == {"en": "q", "zh_CN": "r"}
    assert columns.negatives == ("a", "b")
