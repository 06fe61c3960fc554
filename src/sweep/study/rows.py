"""Changing single trials in Optuna's tables, which `internals` names.

Everything here is done in a transaction that the caller has begun. Where it has locked the trial's row, nobody else
changes that trial before the transaction ends, and everybody may change every other one. SQLite locks no rows: there
a transaction that writes has the whole file to itself.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy
from optuna.trial import TrialState
from sqlalchemy import Table, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from sweep.records.values import State
from sweep.study import statements
from sweep.study.internals import ATTRIBUTES, HEARTBEATS, STATES, STEPS, TRIALS, VALUES, of_step_value, of_value
from sweep.study.tables import outlines
from sweep.study.trials import KEPT_BACK, Claim, StoredTrial, worker_of

TO_OPTUNA: dict[State, TrialState] = {state: theirs for theirs, state in STATES.items()}
# Written out, since a database that does not know a parameter's value yet cannot tell that our indexes would help.
WAITING, RUNNING = (TRIALS.c.state == literal_column(f"'{state}'") for state in ("WAITING", "RUNNING"))
NOW = sqlalchemy.func.current_timestamp()
# Attributes that a question names beside others; made once, which takes longer than many a statement.
POINT, CLAIMS, DEATHS, KEPT = map(ATTRIBUTES.alias, ("point", "claims", "deaths", "kept_back"))


def lock_trial(connection: Connection, trial_id: int) -> None:
    """Wait until nobody else changes this trial, and let nobody change it before the transaction ends. Raises
    KeyError if there is no such trial."""
    row = select(TRIALS.c.trial_id).where(TRIALS.c.trial_id == trial_id).with_for_update(key_share=True)
    if connection.execute(row).first() is None:
        raise KeyError(trial_id)


def is_locked_now(connection: Connection, trial_id: int) -> bool:
    """Lock this trial as `lock_trial` does if nobody else has it, or else wait for nothing; whether it is locked."""
    row = select(TRIALS.c.trial_id).where(TRIALS.c.trial_id == trial_id)
    return connection.execute(row.with_for_update(key_share=True, skip_locked=True)).first() is not None


def _next_waiting(connection: Connection, study_id: int) -> int | None:
    row = (
        select(TRIALS.c.trial_id)
        .where(TRIALS.c.study_id == study_id, WAITING)
        .where(select(1).where(POINT.c.trial_id == TRIALS.c.trial_id, POINT.c.key == "point").exists())
        .where(~select(1).where(KEPT.c.trial_id == TRIALS.c.trial_id, KEPT.c.key == KEPT_BACK).exists())
        .order_by(TRIALS.c.number)
        .limit(1)
    )
    return connection.scalar(row)


def take_next(connection: Connection, study_id: int, entry: str) -> Claim | None:
    """Take on the first WAITING trial that is wanted and that nobody else is taking."""
    if connection.dialect.name == "postgresql":
        return statements.take_next(connection, study_id, entry)
    trial_id = _next_waiting(connection, study_id)
    return None if trial_id is None else hold(connection, outlines(connection, [trial_id])[0], entry)


def hold(connection: Connection, trial: StoredTrial, entry: str) -> Claim:
    """Take a locked trial on under this entry, with a first sign of life."""
    if trial.state == "WAITING":
        set_state(connection, trial.id, "RUNNING")
    beat(connection, trial.id)
    set_attributes(connection, trial.id, {"claims": [*trial.claims, entry]})
    return Claim(trial.id, trial.number, trial.point, trial.attempts + 1, entry)


def end_held(
    connection: Connection,
    trial_id: int,
    entry: str,
    state: State,
    values: Sequence[float],
    attributes: Mapping[str, Any],
) -> bool:
    """Give a trial this state, with its values and attributes, if it runs under this entry; whether it did."""
    if connection.dialect.name == "postgresql":
        return statements.end_held(connection, trial_id, entry, state, values, attributes)
    if not any(trial.is_held_by(entry) for trial in outlines(connection, [trial_id])):
        return False
    set_attributes(connection, trial_id, attributes)
    set_state(connection, trial_id, state, values)
    return True


def held_under(connection: Connection, study_id: int, entry: str) -> Claim | None:
    """The claim of this entry, if it came to be."""
    for trial in taken_by(connection, study_id, worker_of(entry)):
        if trial.is_held_by(entry):
            return Claim(trial.id, trial.number, trial.point, trial.attempts, entry)
    return None


def taken_by(connection: Connection, study_id: int, worker: str) -> list[StoredTrial]:
    """The trials that a worker ever took on, and that have not ended."""
    # As the start of an entry is written in the list, whose text this is.
    named = ATTRIBUTES.c.value_json.contains(json.dumps(f"{worker}#").removesuffix('"'), autoescape=True)
    rows = select(TRIALS.c.trial_id).join(ATTRIBUTES, ATTRIBUTES.c.trial_id == TRIALS.c.trial_id)
    rows = rows.where(TRIALS.c.study_id == study_id, WAITING | RUNNING, ATTRIBUTES.c.key == "claims", named)
    return outlines(connection, connection.scalars(rows.order_by(TRIALS.c.number)).all())


def set_state(connection: Connection, trial_id: int, state: State, values: Sequence[float] = ()) -> None:
    """Change a locked trial's state. Raises ValueError if it has ended: such a trial never changes."""
    if values:
        stored = (of_value(value) for value in values)
        rows = [
            {"trial_id": trial_id, "objective": number, "value": value, "value_type": kind}
            for number, (value, kind) in enumerate(stored)
        ]
        _upsert(connection, VALUES, rows, ("trial_id", "objective"))
    now = datetime.now(UTC).replace(tzinfo=None)
    started: dict[str, Any] = {"datetime_start": now} if state == "RUNNING" else {}
    ended = {} if state in ("WAITING", "RUNNING") else {"datetime_complete": now}
    update = TRIALS.update().where(TRIALS.c.trial_id == trial_id, WAITING | RUNNING)
    if connection.execute(update.values(state=TO_OPTUNA[state], **started, **ended)).rowcount != 1:
        raise ValueError(f"trial {trial_id} has ended, or there is none: it cannot become {state}")


def set_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a trial."""
    rows = [
        {"trial_id": trial_id, "key": name, "value_json": json.dumps(value)} for name, value in attributes.items()
    ]
    _upsert(connection, ATTRIBUTES, rows, ("trial_id", "key"))


def set_validated(connection: Connection, trial_id: int, step: int, value: float) -> None:
    """Keep the value of a validation."""
    stored, kind = of_step_value(value)
    row = {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}
    _upsert(connection, STEPS, [row], ("trial_id", "step"))


def beat(connection: Connection, trial_id: int) -> None:
    """Write down that the trial's worker lives now, by the database's clock."""
    statement = _insert(connection, HEARTBEATS).values(trial_id=trial_id, heartbeat=NOW)
    connection.execute(statement.on_conflict_do_update(index_elements=["trial_id"], set_={"heartbeat": NOW}))


def beat_as_holder(connection: Connection, trial_id: int, entry: str) -> bool:
    """The same if the trial runs under this entry; whether it does."""
    trial = TRIALS.c.trial_id == trial_id
    last = CLAIMS.c.value_json.endswith(statements.end_of_claims(entry), autoescape=True)
    update = HEARTBEATS.update().where(
        HEARTBEATS.c.trial_id == trial_id,
        select(1).where(trial, RUNNING).exists(),
        select(1).where(CLAIMS.c.trial_id == trial_id, CLAIMS.c.key == "claims", last).exists(),
    )
    return connection.execute(update.values(heartbeat=NOW)).rowcount == 1


def silent(connection: Connection, study_id: int, grace_s: float, trial_id: int | None = None) -> set[int]:
    """Ids of the RUNNING trials, or whether it is one of them, whose last sign of life is older than the grace."""
    rows = select(TRIALS.c.trial_id).join(HEARTBEATS, HEARTBEATS.c.trial_id == TRIALS.c.trial_id)
    rows = rows.where(TRIALS.c.study_id == study_id, RUNNING, HEARTBEATS.c.heartbeat < _ago(connection, grace_s))
    return set(connection.scalars(rows if trial_id is None else rows.where(TRIALS.c.trial_id == trial_id)))


def running(connection: Connection, study_id: int) -> int:
    """How many trials are RUNNING."""
    rows = select(sqlalchemy.func.count()).select_from(TRIALS).where(TRIALS.c.study_id == study_id, RUNNING)
    return connection.scalar(rows) or 0


def doubtful(connection: Connection, study_id: int, grace_s: float, host: str) -> list[int]:
    """Ids of RUNNING trials whose workers may be gone: silent, charged with a death, or to be judged here."""
    holders = CLAIMS.c.value_json
    rows = (
        select(TRIALS.c.trial_id)
        .outerjoin(HEARTBEATS, HEARTBEATS.c.trial_id == TRIALS.c.trial_id)
        .outerjoin(CLAIMS, (CLAIMS.c.trial_id == TRIALS.c.trial_id) & (CLAIMS.c.key == "claims"))
        .outerjoin(DEATHS, (DEATHS.c.trial_id == TRIALS.c.trial_id) & (DEATHS.c.key == "deaths"))
        .where(TRIALS.c.study_id == study_id, RUNNING)
        .where(
            (HEARTBEATS.c.heartbeat < _ago(connection, grace_s))
            | _holder_died(connection)
            | holders.is_(None)
            | holders.not_like("%@%")
            | holders.contains(json.dumps(f"@{host}#").strip('"'), autoescape=True)
        )
        .order_by(TRIALS.c.number)
    )
    return list(connection.scalars(rows))


def _holder_died(connection: Connection) -> Any:
    """Whether the worker that has the trial is charged with a death; on SQLite, whether any that ever had it."""
    if connection.dialect.name == "sqlite":
        return DEATHS.c.trial_id.is_not(None)
    holder = sqlalchemy.cast(CLAIMS.c.value_json, postgresql.JSONB)[-1].astext
    return sqlalchemy.cast(DEATHS.c.value_json, postgresql.JSONB).has_key(sqlalchemy.func.split_part(holder, "#", 1))


def _ago(connection: Connection, seconds: float) -> Any:
    if connection.dialect.name == "sqlite":
        return sqlalchemy.func.datetime("now", f"-{seconds} seconds")
    return NOW - timedelta(seconds=seconds)


def _insert(connection: Connection, table: Table) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: tuple[str, str]) -> None:
    """Insert rows, or replace what those with the same key have."""
    if not rows:
        return
    statement = _insert(connection, table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=replaced), rows)
