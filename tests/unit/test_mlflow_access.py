"""Servers that want a token, a password, or have a certificate of their own: asked as MLflow's client asks them."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.integration.mlflow_server import Proxy, Request
from tests.waiting import SECONDS

from sweep.records.folder import StudyFolder
from sweep.settings import MlflowTracking
from sweep.settings.secrets import redact
from sweep.tracking import mlflow_access
from sweep.tracking.mlflow_access import NOT_ACCEPTED, UNTRUSTED
from sweep.tracking.mlflow_links import experiment_at
from sweep.tracking.mlflow_place import MlflowPlace

TOKEN = "tok-1f2e3d4c5b6a"
BASIC = "Basic " + b64encode(b"me:my-password").decode()
ANSWER = json.dumps({"experiments": [], "experiment": {"experiment_id": "7"}}).encode()
VARIABLES = ("TOKEN", "USERNAME", "PASSWORD", "INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH")


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(mlflow_access, "ANSWER_S", SECONDS)  # who does not answer is taken for away
    for name in VARIABLES:
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture(params=[401, 403])
def guarded(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that answers those with the token or the password, and others as an OAuth proxy does: with a status,
    and with JSON that has no code of MLflow."""

    def guard(asked: Request) -> tuple[int, dict[str, str], bytes]:
        accepted = asked.headers.get("Authorization") in (f"Bearer {TOKEN}", BASIC)
        return (200, {}, ANSWER) if accepted else (request.param, {}, b'{"detail": "not valid"}')

    with Proxy(0) as proxy:
        proxy.refuses = guard
        yield proxy.uri


def problem_of(uri: str, folder: Path) -> str | None:
    return MlflowPlace(MlflowTracking(uri=uri), StudyFolder(folder)).problem()


def test_a_token_that_is_not_accepted_is_bad_input(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert NOT_ACCEPTED in (problem_of(guarded, tmp_path) or "")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "another-token")
    assert NOT_ACCEPTED in (problem_of(guarded, tmp_path) or "")
    assert experiment_at(guarded, "grid") is None
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    assert problem_of(guarded, tmp_path) is None
    assert experiment_at(guarded, "grid") == "7"


@pytest.mark.parametrize("of_file", [True, False])
def test_a_password_is_taken_from_where_mlflow_takes_it(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_file: bool
) -> None:
    if of_file:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            "[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = my-password\n"
        )
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "my-password")
    assert problem_of(guarded, tmp_path) is None
    assert redact("refused my-password") == "refused ***"


def test_a_token_of_the_environment_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    assert redact(f"401: not valid: Bearer {TOKEN}!") == "401: not valid: Bearer ***!"


def test_a_certificate_of_its_own_is_trusted_by_mlflows_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    with Proxy(0, certificate=both) as proxy:
        proxy.refuses = lambda _: (200, {}, ANSWER)
        assert UNTRUSTED in (problem_of(proxy.uri, tmp_path) or "")
        for name, value in (("SERVER_CERT_PATH", str(certificate)), ("INSECURE_TLS", "true")):
            with monkeypatch.context() as patch:
                patch.setenv(f"MLFLOW_TRACKING_{name}", value)
                assert problem_of(proxy.uri, tmp_path) is None
                assert experiment_at(proxy.uri, "grid") == "7"
                MlflowClient(proxy.uri).search_experiments(max_results=1)  # MLflow reads the very same
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "none.pem"))
        assert "none.pem" in (problem_of(proxy.uri, tmp_path) or "")
