"""A merged trial: it waits until both of its parents have ended, and averages their weights."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from accelerate import Accelerator

from sweep.errors import Fenced, InputError
from sweep.model.encoder import Retriever
from sweep.model.merging import merge_into
from sweep.study.heartbeat import Heartbeat
from sweep.study.parents import parent_keys
from sweep.study.store import Claim, StudyStore
from sweep.study.trials import StoredTrial
from sweep.trial.preparation import Trial
from sweep.trial.shared_results import SharedResults

LOOK_S = 1.0  # between two looks at parents that somebody else trains


def merge(
    trial: Trial,
    parents: tuple[str, str],
    retriever: Retriever,
    accelerator: Accelerator,
    on_note: Callable[[str], None],
) -> dict[str, str]:
    """Give the retriever the average of its parents' weights, on every rank; the SHA-256 of these, by their keys.
    Raises InputError if one has none any more, or if they are damaged."""
    first, second = (trial.study.trial(key).weights for key in parents)
    share = trial.settings.ratio.monolingual
    try:
        digests = merge_into(retriever.encoder, first, second, share)
    except InputError as error:
        raise InputError(
            f"{error}; study.rerun_damaged=true study.retry_failed=true trains the parents again"
        ) from error
    retriever.encoder.to(accelerator.device)
    on_note(f"{share:g} of the weights of {parents[0]}, {1 - share:g} of those of {parents[1]}")
    return dict(zip(parents, digests, strict=True))


@dataclass(frozen=True, eq=False)
class Parents:
    """The wait of rank 0 for the parents of a claimed trial. `meanwhile` is called at every look."""

    store: StudyStore
    worker: str
    stop_asked: Callable[[], bool]
    shared: SharedResults | None
    meanwhile: Callable[[], None]

    def ready(self, claim: Claim, heartbeat: Heartbeat) -> bool | Claim:
        """Wait until both have ended. True: their weights are here, or the trial needs none. False: it has been
        FAILED or given back. A claim: the trial has been given back for one of its parents, which nobody trains; the
        caller is to run that first.

        Whoever waits for a parent that waits itself, or whose worker is gone, takes that very trial on: so no order
        of claims, restarts and deaths leaves all workers waiting. Raises Fenced if the trial is another's by now.
        """
        keys = parent_keys(claim.point, self.store.settings)
        if keys is None:
            return True
        while True:
            known = self.store.view.trials()
            for key in keys:
                if (reason := _hopeless(key, known.get(key))) is not None:
                    self.store.fail(claim, reason)
                    return False
            if all(known[key].state == "COMPLETE" for key in keys):
                self._bring(known[key] for key in keys)
                return True
            if heartbeat.lost.is_set():
                raise Fenced(f"{claim.point.key}: another attempt has taken this trial over")
            if self.stop_asked():
                self.store.release(claim)
                return False
            for key in keys:
                if not known[key].has_ended and self._could_take(known[key]):
                    self.store.release(claim)
                    return self.store.claims.take(known[key].id, f"{self.worker}#{time.time_ns()}") or False
            self.meanwhile()
            time.sleep(LOOK_S)

    def _could_take(self, parent: StoredTrial) -> bool:
        return self.store.storage.patiently(lambda: self.store.claims.could_take(parent))

    def _bring(self, parents: Iterable[StoredTrial]) -> None:
        """Have their weights here, where machines share no folder."""
        if self.shared is None:
            return
        for parent in parents:
            if not self.store.folder.trial(parent.key).weights.is_dir() and parent.artifacts is not None:
                self.shared.artifacts.take_weights(parent.key, parent.artifacts)


def _hopeless(key: str, parent: StoredTrial | None) -> str | None:
    """Why a trial will never have this parent's weights, or None."""
    if parent is None:
        return f"the study does not have its parent {key}"
    if parent.state in ("FAILED", "PRUNED"):
        why = parent.attributes.get("reason")
        return f"its parent {key} is {parent.state}" + (f": {why}" if why else "")
    return None
