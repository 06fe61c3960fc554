"""A trial that the card has no memory for is FAILED, and the same worker trains the next one. Needs the whole
package; on a CPU torch is asked for more than any machine has in the first trial's training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu.material import CPU, accelerator_on

CARD = torch.device("cuda")
STUDY = (
    "+experiment=smoke", "study.select_on=all", "study.seeds=[0,1]", "study.space={}", "train.steps=4",
    "train.warmup_steps=1", "evaluation.records=12", "model.hidden_size=32", "study.export=none", "languages=cldr_6",
    "data.records={high: 60, mid: 30, low: 20}", "train.checkpoint_minutes=1000",
)  # fmt: skip


@contextmanager
def no_memory(device: torch.device) -> Iterator[None]:
    """Nothing can be allocated on the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-6)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return

    def train(*_: Any) -> None:
        torch.empty(2**60, dtype=torch.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweep.trial.pipeline.train", train)
        yield


def the_next_trial_runs(device: torch.device, folder: Path) -> str:
    """The reason of the first trial."""
    from sweep.launch.order import WorkOrder
    from sweep.records.folder import StudyFolder
    from sweep.settings.compose import Composer
    from sweep.settings.load import load_settings
    from sweep.study.heartbeat import Heartbeat
    from sweep.study.store import StudyStore
    from sweep.trial.attempt import TrialRun
    from sweep.trial.pipeline import TrialData

    composer = Composer("sweep", [*STUDY, f"paths.cache={folder / 'cache'}"])
    settings = load_settings(composer)
    store = StudyStore(StudyFolder(folder / "study"), settings.study, lambda _: True)
    store.check_settings(settings)
    store.enqueue()
    order, data = WorkOrder("w", str(store.folder.path), (), None), TrialData()
    with accelerator_on(device) as accelerator:
        assert accelerator.device.type == device.type

        def run() -> str:
            claim = store.claim("w")
            assert claim is not None
            own = load_settings(composer, claim.point.assignments)
            TrialRun(order, own, accelerator, store.folder, store, claim, Heartbeat(store, claim, 60)).run(data)
            return claim.point.key

        with no_memory(device):
            failed = run()
        finished = run()
    states = store.view.states()
    assert (states[failed], states[finished]) == ("FAILED", "COMPLETE")
    (record,) = [record for record in store.view.records() if record.state == "FAILED"]
    assert record.reason is not None
    return record.reason


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_on_the_card(tmp_path: Path) -> None:
    for package in ("optuna", "hydra", "babel", "sklearn"):
        pytest.importorskip(package, reason="a study needs the whole package")
    reason = the_next_trial_runs(CARD, tmp_path)
    assert reason.startswith("out of memory on the GPU")
    assert "train.tokens_per_pass" in reason


@pytest.mark.slow
def test_beside_a_card(tmp_path: Path) -> None:
    for package in ("optuna", "hydra", "babel", "sklearn"):
        pytest.importorskip(package, reason="a study needs the whole package")
    reason = the_next_trial_runs(CPU, tmp_path)
    assert reason.startswith("out of memory")
    assert "train.tokens_per_pass" in reason
