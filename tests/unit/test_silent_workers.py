"""Which workers are ended since they give no sign of life."""

from pathlib import Path

from sweep.launch.crew import Member
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import WorkerHandle
from sweep.run.silence import Silence


class Queued(WorkerHandle):
    """A worker that waits in a queue until `place` is None."""

    log = Path("/dev/null")
    place: str | None = "Slurm: job 1000 is PENDING (BeginTime)"

    @property
    def waits_for(self) -> str | None:
        return self.place

    def ask_to_stop(self) -> None: ...

    def poll(self) -> int | None: ...

    def end(self, patience_s: float = 10.0) -> None: ...


def test_a_worker_in_a_queue_is_not_silent_whatever_it_had_before(tmp_path: Path) -> None:
    """A job whose node was lost is queued again, with a trial that nobody works on."""
    worker = Queued()
    member = Member(0, worker, WorkOrder("w-1-aa-bb@slurm", str(tmp_path), (), None))
    silence, silent = Silence(grace_s=0.0), {member.order.worker}
    assert silence.overdue([member], tmp_path, {}, silent, remaining=1) == []
    worker.place = None
    assert silence.overdue([member], tmp_path, {}, silent, remaining=1) == [member]
