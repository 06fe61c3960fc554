"""What is known of training data, as JSON."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from sweep.data.inspection import DataReport


def as_json(report: DataReport) -> dict[str, Any]:
    """All of a report in plain values. `pairs`: the groups of each language of questions and language of passages
    that have any in common."""
    plain: dict[str, Any] = _plain(report)
    codes = [one.code for one in report.languages]
    table = plain.pop("pairs_ll")
    plain["pairs"] = {
        one: {other: groups for other, groups in zip(codes, row, strict=True) if groups}
        for one, row in zip(codes, table, strict=True)
    }
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
