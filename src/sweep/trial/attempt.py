"""A claimed trial on rank 0 of a worker, from its claim to its outcome in the study and in its folder."""

import logging
import shutil
import sys
import time
import traceback
from collections.abc import Callable

import yaml
from accelerate import Accelerator

from sweep.data.holdout import validation_key
from sweep.errors import ArtifactsUnusable, DatabaseUnusable, Fenced, SweepError, TrialFailed
from sweep.evaluation.validation import Validation
from sweep.launch.failures import GROUP_BROKEN, write_failure
from sweep.launch.order import WorkOrder
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.study_artifacts import WORDS_PATIENCE_S, Recorded
from sweep.records.surroundings import fault_of_surroundings
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.identity import has_fingerprint
from sweep.settings.secrets import WithoutSecrets
from sweep.study.heartbeat import Heartbeat
from sweep.study.parents import is_parent, parent_keys
from sweep.study.store import Claim, StudyStore
from sweep.training.watch import Paused, Pruned, TrainingPoint, Watch
from sweep.trial.checkpoint_copies import CheckpointCopies
from sweep.trial.curves import Curves
from sweep.trial.exposure import exposure_table
from sweep.trial.kept_models import drop_unneeded, is_to_be_kept, keep_model
from sweep.trial.memory import release_memory
from sweep.trial.pipeline import Trial, TrialData, run_trial
from sweep.trial.reasons import reason_of
from sweep.trial.shared_results import SharedResults
from sweep.trial.status import TrialStatus

log = logging.getLogger("sweep")


class TrialRun:
    """One claimed trial on rank 0: its folder and its outcome."""

    def __init__(
        self,
        order: WorkOrder,
        settings: Settings,
        accelerator: Accelerator,
        folder: StudyFolder,
        store: StudyStore,
        claim: Claim,
        heartbeat: Heartbeat,
        should_pause: Callable[[], bool] = lambda: False,
        shared: SharedResults | None = None,
    ) -> None:
        self.should_pause = should_pause
        self.order = order
        self.accelerator = accelerator
        self.study_folder = folder
        self.store = store
        self.claim = claim
        self.heartbeat = heartbeat
        self.key = claim.point.key
        self.folder: TrialFolder = folder.trial(self.key)
        self.settings = settings
        self.shared = shared
        self.copies = None if shared is None else CheckpointCopies(shared.artifacts, self.key, claim.attempt)
        self.committed = self._committed_result()
        self.status = TrialStatus(folder.workers, order.worker, self.key)

    def _committed_result(self) -> TrialResult | None:
        """The result of an earlier attempt that was killed after it had one."""
        if self.folder.damage() is not None:
            return None
        result = self.folder.read_result()
        return result if result is not None and has_fingerprint(self.settings, result.fingerprint) else None

    def run(self, data: TrialData) -> None:
        """Run the trial and record it as COMPLETE or FAILED; drop it if another attempt has taken it over."""
        self.status.prepare()
        resolved = self.settings.model_dump(mode="json")
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if self.shared is not None and self.committed is None:  # else what belongs to the result is here
            self.shared.artifacts.take_trail(self.key, self.claim.attempt)
        handler = logging.FileHandler(self.folder.log)
        handler.setFormatter(WithoutSecrets("%(asctime)s %(message)s"))
        log.addHandler(handler)
        if self.committed is None:  # else its checksums have the file as it is
            write_atomically(self.folder.config, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
        try:
            self.folder.begin_attempt(self.claim.attempt, int(time.time() * 1000))
            log.info("attempt %d of %s", self.claim.attempt, self.key)
            curves = Curves(self.folder)
            result = self.committed or self._result(data, curves)
            if result is not None:
                curves.finish(result.steps or self.settings.train.steps)
                self.store.finish(self.claim, result, self._leave_result())
                self._tidy()
                log.info("COMPLETE in %.1f s", result.duration_s)
        except Fenced as error:
            self._drop(error)
        except Exception as error:
            # Who has taken the trial over removes what this attempt had begun to write.
            if fault_of_surroundings(error) is None or self.store.still_mine(self.claim):
                raise
            self._drop(error)
        finally:
            if self.copies is not None:
                self.copies.end()
            log.removeHandler(handler)
            handler.close()

    def _drop(self, error: Exception) -> None:
        """Leave the trial to the attempt that has taken it over."""
        log.info("attempt %d drops the trial: %s", self.claim.attempt, error)
        if self.accelerator.num_processes > 1:
            # The other ranks may wait in a collective call; the driver starts a new group.
            sys.exit(Fenced.exit_status)

    def _result(self, data: TrialData, curves: Curves) -> TrialResult | None:
        """Train and evaluate; the result, committed, or None if the trial FAILED, or was pruned or paused."""
        settings = self.settings
        trial = Trial(
            settings,
            self.key,
            self.folder.embeddings,
            self.folder.checkpoint,
            self.study_folder,
            self.claim.attempt,
            lambda: self.store.still_mine(self.claim),
            None if self.shared is None else self.shared.artifacts,
            self.copies,
            self.folder.weights if is_parent(self.claim.point, settings.study) else None,
            parent_keys(self.claim.point, settings.study),
        )
        done = None
        try:
            outcome = run_trial(trial, data, self.accelerator, self._watch(curves))
            assert outcome is not None  # on rank 0
            result = outcome.result
            outcome.measured.write(self.folder.metrics, self.folder.details, self.folder.ranks)
            if (trained := outcome.trained) is not None:
                write_atomically(self.folder.exposure, exposure_table(trained.exposure, trained.left_out))
            for remark in outcome.measured.notes():
                log.info("%s", remark)
            self.store.view.goals.objectives(result)  # raise if one is missing, before the result is committed
            self.store.view.goals.bounded(result)
            if is_to_be_kept(settings, self.store.view, self.claim.point, result):
                keep_model(settings, self.folder, self.key, outcome)
            self.store.commit_result(self.claim, lambda: self.folder.write_result(result))
            done = result
        except Pruned as pruned:
            self._prune(pruned.step, curves)
            return None
        except Paused as paused:
            log.info("paused after step %d", paused.step)
            if self.copies is not None:
                self.copies.finish()
            self.store.release(self.claim)
            return None
        except (DatabaseUnusable, ArtifactsUnusable, Fenced):
            raise
        except Exception as error:
            if fault_of_surroundings(error) is not None:  # a full disk, say: no fault of the trial
                raise
            self._fail(error)
        if done is None:  # only here is the exception gone, and with it the frames that hold the trial's tensors
            release_memory(self.accelerator.device)
        return done

    def _leave_result(self) -> Recorded | None:
        """Leave what the trial came to for other machines, before the study hears of its end; None: all share."""
        if self.shared is None or self.copies is None:
            return None
        self.copies.end()
        return self.shared.artifacts.leave_result(self.key, self.claim.attempt)

    def _watch(self, curves: Curves) -> Watch:
        """What this process does while the trial trains."""
        steps, every = self.settings.train.steps, self.settings.train.log_every

        def on_point(point: TrainingPoint) -> None:
            self._drop_if_lost()
            if point.step in (every, steps):
                log.info("step %d: loss %.4f", point.step, point.loss)
            curves.add_loss(point)
            self.status.train(point.step, steps, point.loss)

        def on_validation(validation: Validation) -> bool:
            self._drop_if_lost()
            curves.add_validation(validation)
            if self.settings.study.pruner.kind == "none":
                return False
            if self.shared is not None and self.settings.study.pruner.kind == "wilcoxon":
                self.shared.bring()
            key = validation_key(self.settings.study.objectives[0].metric)
            return self.store.report(self.claim, validation.step, validation.metrics[key], validation.values_g(key))

        return Watch(on_point, log.info, on_validation, self.should_pause, self.status.encode)

    def _prune(self, step: int, curves: Curves) -> None:
        """Record a trial that was not worth going on with; its checkpoint stays."""
        reason = f"pruned after step {step} of {self.settings.train.steps}"
        curves.finish(step)
        log.info("PRUNED: %s", reason)
        self.store.prune(self.claim, reason, self._leave_result())

    def _drop_if_lost(self) -> None:
        """Raise Fenced if another attempt has taken the trial over, as far as is known here."""
        if self.heartbeat.lost.is_set():
            raise Fenced(f"{self.key}: another attempt has taken this trial over")

    def _tidy(self) -> None:
        """Remove what a finished trial does not need, and models of points that can no longer be the best."""
        for folder in (self.folder.embeddings, self.folder.checkpoint):
            shutil.rmtree(folder, ignore_errors=True)
        drop_unneeded(self.study_folder, self.store.view)
        if self.copies is not None:
            self.copies.delete()
        if self.order.scratch is not None:  # the driver takes models from where they were left
            shutil.rmtree(self.folder.model, ignore_errors=True)

    def _fail(self, error: Exception) -> None:
        """Record a trial that cannot give a result; errors that are not meant for users keep their traceback."""
        reason = reason_of(error)
        if not isinstance(error, SweepError):
            log.error("%s", traceback.format_exc())
        if self.accelerator.num_processes > 1 and not isinstance(error, TrialFailed):
            # Another rank may have failed first, or been killed: the driver sees all of them, and records the reason.
            write_failure(self.study_folder.workers, self.order.worker, 0, reason, of_trial=True)
            if self.shared is not None and self.order.scratch is not None:
                self.shared.artifacts.within(WORDS_PATIENCE_S).leave_words(self.order.worker)
            sys.exit(GROUP_BROKEN)
        log.info("FAILED: %s", reason)
        if not self.store.still_mine(self.claim):
            raise Fenced(f"{self.key}: another attempt has taken this trial over") from error
        self.store.fail(self.claim, reason, self._leave_result())
