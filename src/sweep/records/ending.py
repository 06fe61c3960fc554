"""The end of a trial's result: all but its metrics, which are a thousand times as large.

A report looks at what every trial took, of many thousands of trials too; reading their metrics along would take
minutes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sweep.errors import SweepError
from sweep.records.folder import RESULT, TrialFolder

TAIL_BYTES = 1 << 16  # of result.json; the rows of 25 languages with each other take half of it
MOST_KEPT = 20_000  # trials: a result never changes, and a running study is reported every minute
_AFTER_METRICS = b'\n "final_loss":'  # no text in JSON has a line end, so this is the field and nothing else


@dataclass(frozen=True)
class Ending:
    """What came of a trial besides metrics. `durations_s` are those of preparing, training and evaluating; `rows`
    and `tokens` were trained on, and `commit` is of the code: None where an earlier version did not say."""

    duration_s: float
    durations_s: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    tokens: int | None = None
    commit: str | None = None


def read_ending(folder: TrialFolder) -> Ending | None:
    """The end of a committed result; None if there is none. Raises SweepError if the file is damaged."""
    file = folder.path / RESULT
    try:
        state = file.stat()
    except FileNotFoundError:
        return None
    return _ending(file, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=MOST_KEPT)
def _ending(file: Path, size: int, changed_ns: int) -> Ending:
    with file.open("rb") as content:
        content.seek(max(0, size - TAIL_BYTES))
        tail = content.read()
    start = tail.rfind(_AFTER_METRICS)
    try:
        parsed: dict[str, Any] = json.loads(b"{" + tail[start:] if start >= 0 else file.read_bytes())
        exposure = parsed.get("exposure") or {}
        rows = exposure.get("rows")
        return Ending(
            duration_s=float(parsed["duration_s"]),
            durations_s={str(name): float(seconds) for name, seconds in parsed["durations_s"].items()},
            versions={str(name): str(version) for name, version in parsed["versions"].items()},
            rows=None if rows is None else sum(sum(counts.values()) for counts in rows.values()),
            tokens=exposure.get("tokens"),
            commit=parsed.get("commit"),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SweepError(f"{file} is damaged: study.rerun_damaged=true runs the trial again") from error
