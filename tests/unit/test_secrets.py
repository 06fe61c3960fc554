"""Passwords stand nowhere: in no setting that is shown, no file, no message and no tracker."""

import json
import logging
from pathlib import Path

import pytest
from tests.conftest import Sweep

from sweep.commands.run_study import main
from sweep.errors import InputError
from sweep.records.folder import StudyFolder
from sweep.run.sync import sync_command
from sweep.settings import flattened
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.secrets import WithoutSecrets, redact, redacted
from sweep.tracking.registry import place_of

PASSWORD = "hunter2.pw"
STORAGE = f"postgresql+psycopg://me:{PASSWORD}@host/db"
SERVER = f"http://me:{PASSWORD}@tracker:5000"
REFERENCES = ["study.storage='${oc.env:SWEEP_STORAGE}'", "tracking.uri='${oc.env:SWEEP_TRACKER}'"]
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", STORAGE)
    monkeypatch.setenv("SWEEP_TRACKER", SERVER)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:pw@host:80/x", "http://me:***@host:80/x"),
        ("postgresql+psycopg://me:p@s/s@host/db", "postgresql+psycopg://me:***@host/db"),
        ("mysql://host/db?user=me&password=pw&x=1", "mysql://host/db?user=me&password=***&x=1"),
        ("https://host/?api_token=pw", "https://host/?api_token=***"),
        ("http://host:5000", "http://host:5000"),
        ("http://me@host", "http://me@host"),
        ("sqlite:////data/a:b@c/mlflow.db", "sqlite:////data/a:b@c/mlflow.db"),
        ("databricks", "databricks"),
    ],
)
def test_urls_are_shown_without_their_passwords(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert redact(f"cannot reach {url} today") == f"cannot reach {shown} today"
    assert redact(repr({"uri": url})) == repr({"uri": shown})


def test_no_setting_shows_its_password(tmp_path: Path) -> None:
    composer = Composer("sweep", REFERENCES)
    settings = load_settings(composer)
    shown = [composer.yaml(), repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())]
    shown += [str(flattened(settings.model_dump(mode="json"))), f"{settings.tracking}"]
    place = place_of(settings.tracking, StudyFolder(tmp_path))
    shown += [place.name, place.browse("python"), str(place.problem()), sync_command(settings, composer)]
    for text in shown:
        assert PASSWORD not in text
    assert "uri: http://me:***@tracker:5000" in composer.yaml()
    assert sync_command(settings, composer).endswith(
        "--storage '${oc.env:SWEEP_STORAGE}' --tracking '${oc.env:SWEEP_TRACKER}'"
    )


@pytest.mark.parametrize(
    "override",
    [
        f"study.storage={STORAGE}",
        f"study={{storage: '{STORAGE}'}}",
        f"study.storage='${{oc.env:NOTSET,\"{STORAGE}\"}}'",
        f"tracking.uri={SERVER}",
        f"tracking={{uri: '{SERVER}'}}",
        f"++tracking.uri='{SERVER}'",
        f"model.query_prefix={SERVER}",
        f"{SERVER}=1",
    ],
)
def test_a_password_on_the_command_line_is_refused(override: str, capsys: Printed) -> None:
    for more in ([], ["--cfg", "job"], ["--traceback"]):
        assert main([override, *more]) == 2
        printed = capsys.readouterr()
        assert PASSWORD not in printed.out + printed.err
        assert "everyone on this machine can read a password on the command line" in printed.err


EXPERIMENTS = {
    "a default": "study: {storage: '${oc.env:NOTSET,\"URL\"}'}",
    "a literal": "study: {storage: 'URL'}",
    "a tracker": "tracking: {uri: 'URL'}",
    "another setting": "study: {storage: 'URL'}\nmodel: {query_prefix: '${study.storage}'}",
    "a section": "tracking: 'URL'",
    "another kind": "tracking: {kind: 'URL'}",
    "a list": "tracking: {uri: ['URL']}",
    "an unknown key": "tracking: {uri: 'URL', more: 'URL'}",
    "a wrong storage": "study: {storage: {url: 'URL'}}",
    "a wrong number": "train: {steps: 'URL'}",
    "a key": "study: {space: {'URL': {grid: [1]}}}",
}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_password_in_a_file_of_settings_is_in_no_message(experiment: str, tmp_path: Path, capsys: Printed) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    text = EXPERIMENTS[experiment].replace("URL", STORAGE)
    (folder / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    arguments = ["+experiment=mine", f"--config-dir={tmp_path}", "tracking.patience_s=-1"]  # an error in any case
    for more in ([], ["--cfg", "job"], ["--traceback"]):
        main([*arguments, *more])
        printed = capsys.readouterr()
        assert PASSWORD not in printed.out + printed.err
        assert printed.out + printed.err


def test_only_a_secret_setting_may_have_a_password() -> None:
    with pytest.raises(InputError, match=r"model\.query_prefix: there is a password in it"):
        load_settings(Composer("sweep", [REFERENCES[0], "model.query_prefix='${study.storage}'"]))


def test_logs_have_no_passwords() -> None:
    load_settings(Composer("sweep", REFERENCES))  # which tells this process the password
    error = ValueError(f"could not connect with {PASSWORD!r} to {SERVER}")
    record = logging.LogRecord("sweep", 30, "", 0, "away: %s", (SERVER,), (ValueError, error, None))
    assert PASSWORD not in WithoutSecrets("%(message)s").format(record)


def test_what_an_earlier_version_wrote_is_sent_without_passwords(tmp_path: Path, sweep: Sweep) -> None:
    from tests.unit.test_studies import make

    folder = make(tmp_path / "sweeps", finish=2)
    for trial in (folder.path / "trials").iterdir():
        (trial / "config.yaml").write_text(f"tracking: {{uri: '{SERVER}'}}\ndata: {{path: '{SERVER}'}}\n")
        (trial / "losses.csv").write_text("step,timestamp_ms,loss\n1,1,0.5\n")
    lines = folder.path / "runs.jsonl"
    config = folder.config.read_text().replace("kind: mlflow\n  uri: null", "kind: json_lines\n  path: null")
    folder.config.write_text(config.replace("  register: null\n", ""))  # which only MLflow has
    done = sweep("sync", "grid", module="sweep.studies")
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in lines.read_text()
    sent = [json.loads(line).get("parameters", {}) for line in lines.read_text().splitlines()]
    assert any(one.get("data.path") == "http://me:***@tracker:5000" for one in sent)
