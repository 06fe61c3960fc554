"""Adding trials to Optuna's tables, which `internals` names: thousands at once, all or none.

Optuna adds one trial in a dozen statements and a transaction. What is added here it reads as its own: parameters with
their distributions, and numbers without gaps.
"""

import json
from collections.abc import Iterable, Sequence

import sqlalchemy
from optuna.distributions import check_distribution_compatibility, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial
from sqlalchemy import Table, select
from sqlalchemy.engine import Connection

from sweep.study.internals import ATTRIBUTES, PARAMETERS, STUDIES, TRIALS
from sweep.study.trials import KEPT_BACK

MANY = 1000  # trials, after which PostgreSQL is to look anew at what its tables hold before it plans the next look
AT_ONCE = 500  # ids in one statement: every database takes as many


def insert_trials(connection: Connection, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Add trials, in this order, within the caller's transaction."""
    if not trials:
        return
    # As Optuna does: whoever adds trials to this study meanwhile waits, so that no two get the same number.
    connection.execute(select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update())
    last = connection.scalar(select(sqlalchemy.func.max(TRIALS.c.number)).where(TRIALS.c.study_id == study_id))
    first = 0 if last is None else last + 1
    rows = [
        {"study_id": study_id, "number": number, "state": trial.state}
        for number, trial in enumerate(trials, start=first)
    ]
    inserted = TRIALS.insert().returning(TRIALS.c.trial_id, sort_by_parameter_order=True)
    ids = connection.execute(inserted, rows).scalars().all()
    _insert(connection, ATTRIBUTES, [
        {"trial_id": trial_id, "key": name, "value_json": json.dumps(value)}
        for trial_id, trial in zip(ids, trials, strict=True)
        for name, value in trial.user_attrs.items()
    ])  # fmt: skip
    texts = _distributions(connection, study_id, trials)
    _insert(connection, PARAMETERS, [
        {
            "trial_id": trial_id,
            "param_name": path,
            "param_value": trial.distributions[path].to_internal_repr(value),
            "distribution_json": texts[path],
        }
        for trial_id, trial in zip(ids, trials, strict=True)
        for path, value in trial.params.items()
    ])  # fmt: skip
    if len(trials) >= MANY and connection.dialect.name == "postgresql":
        connection.execute(sqlalchemy.text("ANALYZE trials, trial_user_attributes"))


def _insert(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    if rows:
        # What is returned is not needed; it makes SQLAlchemy send a thousand rows in a statement.
        connection.execute(table.insert().returning(*table.primary_key.columns), rows).all()


def _distributions(connection: Connection, study_id: int, trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """Each parameter's distribution, which is the same in all of `trials`, as text. Raises ValueError if the study
    has one of another kind, since Optuna could not read both."""
    distributions = {path: kept for trial in trials for path, kept in trial.distributions.items()}
    for path, distribution in distributions.items():
        there = select(PARAMETERS.c.distribution_json).join(TRIALS, TRIALS.c.trial_id == PARAMETERS.c.trial_id)
        there = there.where(TRIALS.c.study_id == study_id, PARAMETERS.c.param_name == path).limit(1)
        text = connection.scalar(there)
        if text is not None:
            check_distribution_compatibility(json_to_distribution(text), distribution)
    return {path: distribution_to_json(distribution) for path, distribution in distributions.items()}


def keep_back(connection: Connection, study_id: int, trial_ids: Iterable[int]) -> None:
    """Mark exactly these trials of the study as not to be taken."""
    marks = select(ATTRIBUTES.c.trial_id).join(TRIALS, TRIALS.c.trial_id == ATTRIBUTES.c.trial_id)
    marked = set(connection.scalars(marks.where(TRIALS.c.study_id == study_id, ATTRIBUTES.c.key == KEPT_BACK)))
    wanted = set(trial_ids)
    returned = sorted(marked - wanted)
    for start in range(0, len(returned), AT_ONCE):
        of_these = ATTRIBUTES.c.trial_id.in_(returned[start : start + AT_ONCE])
        connection.execute(ATTRIBUTES.delete().where(ATTRIBUTES.c.key == KEPT_BACK, of_these))
    new = [{"trial_id": trial_id, "key": KEPT_BACK, "value_json": "true"} for trial_id in sorted(wanted - marked)]
    _insert(connection, ATTRIBUTES, new)
