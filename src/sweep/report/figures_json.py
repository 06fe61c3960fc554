"""All of a report as JSON, for programs.

`{"format": "sweep.report", "version": 1, "studies": [...]}`; a study has the fields of `StudyReport`
(`sweep.answer.contents` says what they are and in which units) with the names that they have there. Beyond them:

- a comparison is `{metric, reference, system, difference, low, high, p, p_holm, over_seeds, approximate}`: system
  minus reference with its 95 % interval;
- a point is `{parameters, text, seeds, trials, value, values, figures, dropped, lacks, keeps_constraints, competes}`,
  where `trials` are keys;
- a trial is `{key, number, seed, state, parameters, attempts, value, values, violation, duration_s, reason}`;
- intervals are `[low, high]`; what is no finite number is null.

A program that reads version 1 goes on to work: fields are added under the same number, and one that is renamed or
removed makes it 2.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from sweep.answer.contents import StudyReport
from sweep.answer.points import PointRow
from sweep.evaluation.comparison import Comparison
from sweep.records.trial_record import TrialRecord
from sweep.settings import Section
from sweep.settings.secrets import redact

FORMAT, VERSION = "sweep.report", 1


def figures_json(reports: Sequence[StudyReport]) -> str:
    """The text of the JSON document, in ASCII."""
    _redacted.cache_clear()  # passwords may have become known since
    document = {"format": FORMAT, "version": VERSION, "studies": [_plain(report) for report in reports]}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


@lru_cache
def _redacted(text: str) -> str:
    return redact(text)


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, str):
        return _redacted(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Comparison):
        return _comparison(value)
    if isinstance(value, PointRow):
        return _point(value)
    if isinstance(value, TrialRecord):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name != "folder"}
    if isinstance(value, Section):
        return _plain(value.model_dump(mode="json"))
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {_redacted(str(key)): _plain(one) for key, one in value.items()}
    if hasattr(value, "tolist"):  # of numpy
        return _plain(value.tolist())
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value))
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else redact(str(value))


def _comparison(one: Comparison) -> dict[str, Any]:
    low, high = one.interval
    named = {"metric": one.metric, "reference": one.reference, "system": one.system}
    numbers = {"difference": one.difference, "low": low, "high": high, "p": one.p, "p_holm": one.p_holm}
    about = {"over_seeds": one.estimate.over_seeds, "approximate": one.estimate.approximate}
    return {name: _plain(value) for name, value in {**named, **numbers, **about}.items()}


def _point(point: PointRow) -> dict[str, Any]:
    return {
        "parameters": _plain(point.parameters),
        "text": _plain(point.text),
        "seeds": [record.seed for record in point.records],
        "trials": [_plain(record.key) for record in point.records],
        "value": _plain(point.value),
        "values": _plain(point.values),
        "figures": _plain(point.figures),
        "dropped": point.dropped,
        "lacks": point.lacks,
        "keeps_constraints": point.keeps_constraints,
        "competes": point.competes,
    }
