"""What happens to a trial most often, each in one statement for a PostgreSQL server.

A transaction of several would lock the trial, look at it and change it: every statement more costs both sides as much
again. Within one statement the look may be older than the lock; so a statement locks each row that it decides by,
which the server then looks at once more.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection

from sweep.records.values import State
from sweep.study.internals import STATES, VALUES, of_value
from sweep.study.trials import KEPT_BACK, Claim, StoredTrial

KIND: Any = VALUES.c.value_type.type
# The list of claims grows, as the text that it is, by what it is when it is written.
TAKE_NEXT = text(f"""
WITH next AS MATERIALIZED (
    SELECT trial_id, number FROM trials
    WHERE study_id = :study AND state = 'WAITING'
    AND EXISTS (SELECT FROM trial_user_attributes a WHERE a.trial_id = trials.trial_id AND a.key = 'point')
    AND NOT EXISTS (
        SELECT FROM trial_user_attributes a WHERE a.trial_id = trials.trial_id AND a.key = '{KEPT_BACK}'
    )
    ORDER BY number LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
), running AS (
    UPDATE trials SET state = 'RUNNING', datetime_start = CURRENT_TIMESTAMP
    FROM next WHERE trials.trial_id = next.trial_id
), beat AS (
    INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, CURRENT_TIMESTAMP FROM next
    ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat
), claims AS (
    INSERT INTO trial_user_attributes AS a (trial_id, key, value_json) SELECT trial_id, 'claims', :entry FROM next
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = CASE a.value_json
        WHEN '[]' THEN excluded.value_json
        ELSE left(a.value_json, -1) || ', ' || substr(excluded.value_json, 2)
    END
    RETURNING trial_id, value_json
)
SELECT next.trial_id, next.number, claims.value_json AS claims, point.value_json AS point,
    attempts.value_json AS attempts
FROM next JOIN claims ON claims.trial_id = next.trial_id
JOIN trial_user_attributes point ON point.trial_id = next.trial_id AND point.key = 'point'
LEFT JOIN trial_user_attributes attempts ON attempts.trial_id = next.trial_id AND attempts.key = 'attempts'
""")


def take_next(connection: Connection, study_id: int, entry: str) -> Claim | None:
    """Take on the first WAITING trial that is wanted and that nobody else is taking."""
    taken = connection.execute(TAKE_NEXT, {"study": study_id, "entry": json.dumps([entry])}).first()
    if taken is None:
        return None
    attributes = {"claims": taken.claims, "point": taken.point, "attempts": taken.attempts or "0"}
    named = {name: json.loads(value) for name, value in attributes.items()}
    trial = StoredTrial(taken.trial_id, taken.number, "RUNNING", attributes=named)
    return Claim(trial.id, trial.number, trial.point, trial.attempts, entry)


def _end_held_as(state: str) -> Any:
    """The statement by which a trial gets this state of Optuna's. The states are words of the statement, since a
    database that does not know them yet cannot tell that our indexes would help."""
    moment = "" if state == "WAITING" else ", datetime_complete = CURRENT_TIMESTAMP"
    return text(f"""
WITH held AS MATERIALIZED (
    SELECT trials.trial_id FROM trials
    JOIN trial_user_attributes claims ON claims.trial_id = trials.trial_id AND claims.key = 'claims'
    WHERE trials.trial_id = :trial AND trials.state = 'RUNNING'
    AND right(claims.value_json, length(CAST(:last AS text))) = CAST(:last AS text)
    FOR NO KEY UPDATE OF trials, claims
), ended AS (
    UPDATE trials SET state = '{state}'{moment}
    FROM held WHERE trials.trial_id = held.trial_id
), kept AS (
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT held.trial_id, given.key, given.value FROM held, json_each_text(CAST(:attributes AS json)) given
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json
), measured AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT held.trial_id, given.objective, given.value, CAST(given.kind AS {KIND.name})
    FROM held, json_to_recordset(CAST(:objectives AS json))
        AS given(objective integer, value double precision, kind text)
    ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type
)
SELECT trial_id FROM held
""")


END_HELD: dict[State, Any] = {
    state: _end_held_as(theirs.name) for theirs, state in STATES.items() if state != "RUNNING"
}


def end_held(
    connection: Connection,
    trial_id: int,
    entry: str,
    state: State,
    values: Sequence[float],
    attributes: Mapping[str, Any],
) -> bool:
    """Give a trial this state, with its values and attributes, if it runs under this entry; whether it did."""
    stored = [of_value(value) for value in values]
    rows = [
        {"objective": objective, "value": value, "kind": kind.name} for objective, (value, kind) in enumerate(stored)
    ]
    given = {
        "trial": trial_id,
        "last": end_of_claims(entry),
        "attributes": json.dumps({name: json.dumps(value) for name, value in attributes.items()}),
        "objectives": json.dumps(rows),
    }
    return connection.execute(END_HELD[state], given).first() is not None


def end_of_claims(entry: str) -> str:
    """How the text of a list of claims ends whose last is this entry."""
    return json.dumps([entry]).removeprefix("[")
