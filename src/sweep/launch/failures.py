"""Why a rank of a group ended. One failed rank makes the others fail, too ("Connection closed by peer"), so each
writes down its own reason and when, and the driver takes the first."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sweep.records.files import write_atomically

CANNOT_WRITE = 74  # exit status of a rank that a full disk, say, kept from writing, perhaps even its reason
GROUP_BROKEN = 75  # exit status of a rank that has written down its reason


@dataclass(frozen=True)
class RankFailure:
    """An exception of one rank. `time`: unix seconds. `of_trial`: whether its trial is to blame, and not what is
    around it, such as a full disk."""

    rank: int
    time: float
    reason: str
    of_trial: bool


def write_failure(workers: Path, worker: str, rank: int, reason: str, of_trial: bool) -> None:
    """Leave the reason for the driver, beside the worker's status. The rank ends with GROUP_BROKEN afterwards."""
    failure = RankFailure(rank, time.time(), reason, of_trial)
    workers.mkdir(parents=True, exist_ok=True)  # a node of its own may have none, where rank 0 is elsewhere
    write_atomically(workers / f"{worker}.rank{rank}.failure", json.dumps(asdict(failure)))


def take_failures(workers: Path, worker: str) -> list[RankFailure]:
    """Read and remove what the ranks of a worker left, the first first."""
    failures = []
    for file in workers.glob(f"{worker}.rank*.failure"):
        failures.append(RankFailure(**json.loads(file.read_text())))
        file.unlink()
    return sorted(failures, key=lambda failure: failure.time)


def first_reason(failures: list[RankFailure]) -> str:
    """The reason that came first, with its rank unless all have the same."""
    first = failures[0]
    alike = len(failures) > 1 and len({failure.reason for failure in failures}) == 1
    return first.reason if alike else f"rank {first.rank}: {first.reason}"
