"""A rank on a Ray cluster, as the driver sees it: an actor, and what is known of the rank beside it."""

from typing import Any

from sweep.launch.protocol import LOST

RELEASED_S = 1.0  # for a rank to end whose group is broken


class RemoteRank:
    """An actor, and what is known of its rank."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.actor = actor
        self.pid: int | None = None  # its process, if that is on this machine
        self.loss: str | None = None  # why its status is not known
        self._ray = ray
        self._outcome: Any = None
        self._status: int | None = None
        self._released = False

    def has_begun(self, pid: int | None) -> None:
        """Its actor has started it."""
        self.pid = pid
        self._outcome = self.actor.wait.remote()

    def ask_to_stop(self) -> None:
        """Pass on the request, once the rank has begun."""
        if self._outcome is not None:
            self.actor.ask_to_stop.remote()

    def poll(self) -> int | None:
        """Its exit status, or None. One that ended because it was released has no failure of its own."""
        if self._status is None and self._outcome is not None:
            ready, _ = self._ray.wait([self._outcome], timeout=0)
            if ready:
                try:
                    status: int = self._ray.get(self._outcome)
                    self._status = 0 if self._released else status
                except Exception as error:  # whatever Ray makes of it: a rank itself has a status
                    self._status, self.loss = (LOST if is_loss(error) else 1), reason_of(error)
        return self._status

    def release(self) -> None:
        """Have it ended, if it still is at work."""
        if not self._released:
            self._released = True
            self.end(RELEASED_S)

    def end(self, patience_s: float) -> Any:
        """Have it ended, by force after some seconds; what tells that it has."""
        return self.actor.end.remote(patience_s)

    def kill(self) -> None:
        """End the actor."""
        self._ray.kill(self.actor)


def is_loss(error: Exception) -> bool:
    """Whether an actor or its node is gone, which need not happen to the next one; not one that cannot begin at all,
    since this package is not there, say."""
    from ray.exceptions import ActorUnavailableError, NodeDiedError, RayActorError

    lost = isinstance(error, (RayActorError, ActorUnavailableError, NodeDiedError))
    return lost and "creation task" not in str(error)


def reason_of(error: Exception) -> str:
    """What Ray says of a loss, as a few words: whether a node, an actor or a connection is gone."""
    text = " ".join(str(error).split())
    if "node has died" in text or "node was terminated" in text:
        return "its node is gone"
    if "unavailable" in text or "Socket closed" in text:
        return "its node does not answer"
    return f"its actor is gone: {text[:200]}"
