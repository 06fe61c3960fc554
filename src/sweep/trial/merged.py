"""A merged trial: it waits until both of its parents have ended, and averages their weights."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list

from sweep.errors import Fenced, InputError, TrialFailed
from sweep.model.encoder import Encoder, Retriever
from sweep.model.merging import merge_into
from sweep.records.checksums import weights_problem
from sweep.records.study_artifacts import has_arrived
from sweep.study.heartbeat import Heartbeat
from sweep.study.parents import parent_keys
from sweep.study.store import Claim, StudyStore
from sweep.study.trials import StoredTrial
from sweep.trial.preparation import Trial
from sweep.trial.shared_results import SharedResults

LOOK_S = 1.0  # between two looks at parents that somebody else trains
TRAIN_AGAIN = "study.rerun_damaged=true study.retry_failed=true trains the parents again"


def merge(
    trial: Trial,
    parents: tuple[str, str],
    retriever: Retriever,
    accelerator: Accelerator,
    on_note: Callable[[str], None],
) -> dict[str, str]:
    """Give the retriever the average of its parents' weights, on every rank; the SHA-256 of these, by their keys.

    Rank 0 alone reads them: the others may be on machines that have them not. Raises TrialFailed on every rank if one
    has none any more, or if they are damaged.
    """
    digests: tuple[str, str] | str = ""
    if accelerator.is_main_process:
        digests = _averaged(trial, parents, retriever.encoder)
    if accelerator.num_processes > 1:
        box = [digests]
        broadcast_object_list(box, from_process=0)
        digests = box[0]
    if isinstance(digests, str):
        raise TrialFailed(f"{digests}; {TRAIN_AGAIN}")
    retriever.encoder.to(accelerator.device)
    broadcast(retriever.encoder.state_dict(), from_process=0)  # in place
    share = trial.settings.ratio.monolingual
    on_note(f"{share:g} of the weights of {parents[0]}, {1 - share:g} of those of {parents[1]}")
    return dict(zip(parents, digests, strict=True))


def _averaged(trial: Trial, parents: tuple[str, str], encoder: Encoder) -> tuple[str, str] | str:
    """Average the weights of both parents into an encoder; the SHA-256 of both, or what keeps them from that."""
    borrowed = trial.study.trial(trial.key).borrowed
    places = [borrowed / key if (borrowed / key).is_dir() else trial.study.trial(key).weights for key in parents]
    try:
        return merge_into(encoder, places[0], places[1], trial.settings.ratio.monolingual)
    except InputError as error:
        return str(error)
    finally:
        shutil.rmtree(borrowed, ignore_errors=True)


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
                if (reason := self._bring(claim.point.key, [known[key] for key in keys])) is not None:
                    self.store.fail(claim, reason)
                    return False
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

    def _bring(self, merged: str, parents: Sequence[StoredTrial]) -> str | None:
        """Have their weights here, where machines share no folder: those of another machine in the merge's folder, so
        that the parent's stays what it is, a result or nothing. What keeps them away, or None."""
        borrowed = self.store.folder.trial(merged).borrowed
        shutil.rmtree(borrowed, ignore_errors=True)  # of an earlier attempt, since which a parent may have run again
        for parent in parents:
            own, recorded = self.store.folder.trial(parent.key), parent.artifacts
            if self.shared is None or recorded is None:
                continue
            if has_arrived(own, recorded, False) and weights_problem(own.weights) is None:
                continue
            if not self.shared.artifacts.take_weights(parent.key, recorded, borrowed / parent.key):
                return f"the weights of its parent {parent.key} are no longer at study.artifacts; {TRAIN_AGAIN}"
        return None


def _hopeless(key: str, parent: StoredTrial | None) -> str | None:
    """Why a trial will never have this parent's weights, or None."""
    if parent is None:
        return f"the study does not have its parent {key}"
    if parent.state in ("FAILED", "PRUNED"):
        why = parent.attributes.get("reason")
        return f"its parent {key} is {parent.state}" + (f": {why}" if why else "")
    return None
