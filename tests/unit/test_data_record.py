"""Which data a study had: recorded at its start, compared when it goes on, and shown."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from accelerate import Accelerator
from tests.conftest import Sweep

from sweep.data.described import data_records, source_of
from sweep.data.load import load_benchmark, load_training_set
from sweep.errors import InputError
from sweep.records.data_record import DATA, DataRecord, changed_data, data_lines, read_records, write_records
from sweep.records.folder import StudyFolder
from sweep.settings import HttpOrigin, HubOrigin, SquadData
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.overrides import assignment
from sweep.training.watch import Watch
from sweep.trial.pipeline import Trial, TrialData
from sweep.trial.preparation import prepare

RECORD = DataRecord("training", "mine", "a/folder", ("en", "sw"), 1200, 1100, "ab" * 32, "s")


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_records(tmp_path) == ()
    records = (RECORD, replace(RECORD, role="evaluation", languages=("en",)))
    write_records(tmp_path, records)
    assert read_records(tmp_path) == records
    assert data_lines(records) == [
        "Trained on mine from a/folder: 2 languages, 1,200 questions, 1,100 passages, SHA-256 abababababab",
        "Evaluated on mine from a/folder: en, 1,200 questions, 1,100 passages, SHA-256 abababababab",
    ]
    for text in ("", "[]", '{"data": [{"name": 1}]}', "{"):
        (tmp_path / DATA).write_text(text)
        assert read_records(tmp_path) == ()


def test_only_the_same_data_read_the_same_way_can_have_changed() -> None:
    other = replace(RECORD, digest="cd" * 32, questions=1201)
    assert changed_data((), (other,)) is None
    assert changed_data((RECORD,), (RECORD,)) is None
    assert changed_data((RECORD,), (replace(other, settings="t"),)) is None
    assert changed_data((RECORD,), (replace(other, role="evaluation"),)) is None
    assert changed_data((RECORD,), (replace(RECORD, source="moved/folder"),)) is None
    assert changed_data((RECORD,), (other,)) == (
        "mine (a/folder), trained on, had 1,200 questions, 1,100 passages and SHA-256 abababababab, and now has "
        "1,201, 1,100 and cdcdcdcdcdcd"
    )


def test_sources_are_paths_or_origins_without_passwords() -> None:
    data = load_settings(Composer("sweep", ["data=mlqa_r", "languages=mlqa_dev"])).data
    assert isinstance(data, SquadData)
    assert isinstance(data.corpus.origin, HttpOrigin)
    assert source_of(data) == data.corpus.origin.url
    assert source_of(data.model_copy(update={"path": "s3://me:secret@host/x"})) == "s3://me:***@host/x"
    miracl = load_settings(Composer("sweep", ["evaluation=miracl", "languages=cldr_6"])).evaluation
    assert miracl.corpus is not None
    assert isinstance(miracl.corpus.origin, HubOrigin)
    assert source_of(miracl) == "miracl/miracl@5be20db95097, miracl/miracl-corpus@d921ec7e349c"
    assert source_of(load_settings(Composer("sweep", [])).data) == "embedded"
    hub = ("repository=me/pairs", f"revision={'0123456789' * 4}", "files=['{language}.parquet']")
    rows = ("data=rows", *(f"data.{one}" for one in hub))
    assert source_of(load_settings(Composer("sweep", rows)).data) == "me/pairs@012345678901"
    given = [f"+data@data.sources.{name}" for name in ("web=rows", "names=cldr", "ours=rows")]
    given += ["data=mix", "data.sources.ours.path=s3://host/x", *(f"data.sources.web.{one}" for one in hub)]
    mixed = load_settings(Composer("sweep", given)).data
    assert source_of(mixed) == "names: embedded; ours: s3://host/x; web: me/pairs@012345678901"


def squad(folder: Path, start: int, changed: str = "") -> str:
    """Files in SQuAD's format with 30 parallel questions in two languages; one word of the last may differ."""
    folder.mkdir(exist_ok=True)
    for code in ("en", "sw"):
        articles = []
        for number in range(start, start + 30):
            context = f"{code} answer{number} is what is written in paragraph {number} of {code}{changed}."
            answer = {"text": f"answer{number}", "answer_start": 3}
            asked = {"id": f"q{number}", "question": f"{code} what is asked {number}?", "answers": [answer]}
            articles.append({"title": "t", "paragraphs": [{"context": context, "qas": [asked]}]})
        (folder / f"{code}.json").write_text(json.dumps({"data": articles}))
    return str(folder)


@pytest.fixture
def study(tmp_path: Path) -> tuple[str, ...]:
    """The arguments of a study on two folders of files, with one trial."""
    return (
        "data=squad", f"data.path={squad(tmp_path / 'mine', 0)}", "evaluation=squad",
        f"evaluation.path={squad(tmp_path / 'asked', 100)}", "languages.train=[en,sw]", "languages.evaluate=null",
        "languages.tiers=null", "train.steps=2", "train.warmup_steps=0", "train.batch_size=4",
        "tracking=json_lines", "study.name=own",
        "study.objectives=[{metric: own/pooled/map, direction: maximize}]", "study.export=all",
        "study.space={ratio.monolingual: {grid: [0.0]}}", "model.vocabulary_size=400",
    )  # fmt: skip


def test_a_study_remembers_its_data_and_goes_on_with_no_others(
    tmp_path: Path, sweep: Sweep, study: tuple[str, ...]
) -> None:
    done = sweep(*study)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "sweeps/own"
    trained, asked = read_records(folder)
    assert (trained.role, trained.name, trained.questions, asked.role, asked.questions) == (
        "training", "own", 60, "evaluation", 60,
    )  # fmt: skip
    assert f"Trained on {trained.text}" in done.stdout.replace("\n", " ")
    (trial,) = (folder / "trials").iterdir()
    assert read_records(trial) == (trained, asked)
    card = (trial / "model/README.md").read_text()
    assert f"| trained on | own: 60 questions, 60 passages; SHA-256 `{trained.digest}` |" in card
    assert "| languages | en English, sw Swahili |" in card
    lines = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    assert {line["data"]["digest"] for line in lines if "data" in line} == {trained.digest, asked.digest}
    status = sweep("status", "own", module="sweep.studies")
    assert trained.digest[:12] in status.stdout

    assert "is not known" not in sweep(*study).stdout
    squad(tmp_path / "mine", 0, " now")
    refused = sweep(*study)
    assert refused.returncode == 2
    assert "study 'own' was begun with other data: own (" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert read_records(folder) == (trained, asked)
    heir = [one.replace("study.name=own", "study.name=heir") for one in study]
    refused = sweep(*heir, "study.warm_start=own")
    assert refused.returncode == 2
    assert "study.warm_start=own: it was run on other data: own (" in refused.stderr
    assert refused.stderr.count("\n") == 1

    # One of a version that recorded nothing goes on, and says so once.
    (folder / DATA).unlink()
    noted = sweep(*study)
    assert noted.returncode == 0, noted.stderr
    assert "Which data this study was begun with is not known" in noted.stdout.replace("\n", " ")
    assert read_records(folder)[0].digest != trained.digest
    assert "is not known" not in sweep(*study).stdout


def test_a_trial_does_not_go_on_with_other_data(tmp_path: Path, cache: Path) -> None:
    settings = load_settings(Composer("sweep", ["+experiment=smoke", assignment("paths.cache", str(cache))]))
    study, data, accelerator = StudyFolder(tmp_path), TrialData(), Accelerator(cpu=True)
    trial = Trial(settings, "a", tmp_path / "embeddings", tmp_path / "checkpoint", study)
    records = data.of(settings).records
    assert [record.role for record in records] == ["training", "evaluation"]
    assert data_records(settings, load_training_set(settings), [load_benchmark(settings)]) == records
    for folder, noun in ((study.path, "study"), (study.trial("a").path, "trial")):
        write_records(folder, [replace(record, digest="ab" * 32) for record in records])
        with pytest.raises(InputError, match=rf"the data have changed since the {noun} was begun: cldr \(embedded\)"):
            prepare(trial, data, accelerator, Watch(on_note=print))
        write_records(folder, records)
    prepare(trial, data, accelerator, Watch(on_note=print))
    assert read_records(study.trial("a").path) == records
