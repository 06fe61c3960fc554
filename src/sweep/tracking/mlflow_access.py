"""Questions to an MLflow server without importing MLflow, which takes seconds: with the credentials and certificates
that its own client would use, from the environment or ~/.mlflow/credentials."""

import os
from base64 import b64encode
from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path

import requests

from sweep.settings.secrets import hide

ANSWER_S = 3.0
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
CERTIFICATE, OWN_CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
OTHER_CREDENTIALS = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")  # which MLflow alone can make
NOT_ACCEPTED = (
    f"the server does not accept our credentials: set {USER} and {PASSWORD}, or {TOKEN}, in the environment, or "
    "write the former to ~/.mlflow/credentials"
)
UNTRUSTED = (
    f"the certificate of the server is not trusted here: set {CERTIFICATE} to a file with the certificate that "
    f"signed it, or {INSECURE}=true"
)


def answer_of(server: str, path: str, asked: Mapping[str, str | int]) -> requests.Response:
    """What a server answers to a GET within a few seconds. Raises requests.RequestException and OSError."""
    return requests.get(
        f"{server.rstrip('/')}/api/2.0/mlflow/{path}",
        params=asked,
        timeout=ANSWER_S,
        headers=_headers(),
        verify=os.environ.get(CERTIFICATE) or os.environ.get(INSECURE, "false").lower() not in ("true", "1"),
        cert=os.environ.get(OWN_CERTIFICATE),
    )


def _headers() -> dict[str, str]:
    of_file = _credentials(Path("~/.mlflow/credentials").expanduser())
    user, password = (os.environ.get(name) or of_file.get(name.lower()) for name in (USER, PASSWORD))
    if user and password:
        hide(password)
        return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
    token = os.environ.get(TOKEN)
    return {"Authorization": f"Bearer {token}"} if token else {}


def _credentials(file: Path) -> Mapping[str, str]:
    parser = ConfigParser()
    try:
        parser.read(file)
    except Error:  # which MLflow itself reports
        return {}
    return dict(parser.items("mlflow")) if parser.has_section("mlflow") else {}
