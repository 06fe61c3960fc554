"""A study on a PostgreSQL server leaves its password nowhere."""

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.conftest import Sweep
from tests.integration.test_study_run import TINY
from tests.postgres import PASSWORD, QUOTED_PASSWORD, PostgresServer
from tests.stores import VARIABLE


@pytest.mark.slow
def test_a_whole_study_on_postgresql_leaves_the_password_nowhere(
    sweep: Sweep, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    done = sweep(*TINY, VARIABLE, "study.name=secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.rglob("study.db"))
    shown = done.stdout + done.stderr
    assert PASSWORD not in shown + QUOTED_PASSWORD
    secrets = [PASSWORD.encode(), QUOTED_PASSWORD.encode()]
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        content = file.read_bytes()
        assert not any(secret in content for secret in secrets), file
    again = sweep(*TINY, VARIABLE, "study.name=secret")
    assert "2 of 2 trials are done" in again.stdout
    unnamed = sweep("status", "secret", module="sweep.studies")
    assert unnamed.returncode == 2
    assert "its database is on a server" in unnamed.stderr
    named = sweep("status", "secret", "--storage", "${oc.env:SWEEP_STORAGE}", module="sweep.studies")
    assert "secret: complete, 2 of 2 finished" in named.stdout, named.stderr
    assert PASSWORD not in unnamed.stderr + named.stdout
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url(password="wr0ngsecret"))
    refused = sweep(*TINY, VARIABLE, "study.name=secret")
    assert refused.returncode == 2, refused.stderr
    assert "refuses us" in refused.stderr
    assert "wr0ngsecret" not in refused.stdout + refused.stderr
    assert os.environ["SWEEP_STORAGE"] not in refused.stderr
    engine = create_engine(postgres.url())
    with engine.connect() as connection:
        left = connection.scalars(text("SELECT value_json FROM study_user_attributes")).all()
    engine.dispose()
    assert any("+experiment=smoke" in one for one in left)  # what those who join it read
    assert not any(word in one for word in (PASSWORD, QUOTED_PASSWORD, "SWEEP_STORAGE") for one in left)
