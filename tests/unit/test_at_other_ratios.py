"""Values that are searched at one ratio alone, and the ratios that have those of the configuration."""

from pathlib import Path

import pytest

from sweep.records.folder import StudyFolder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.at_other_ratios import values_at_other_ratios
from sweep.study.store import StudyStore
from sweep.study.view import StudyView

RATIOS = "ratio.monolingual:{grid:[0,0.5,1]}"
AT_HALF = (
    f"study.space={{{RATIOS},ratio.mix:{{grid:[batches,merge],when:{{ratio.monolingual:0.5}}}},"
    "ratio.cross_batch:{grid:[pair,mixed],when:{ratio.mix:batches}}}"
)
WITHOUT = (
    "study.space={ratio.monolingual:{grid:[0,1]},loss:{grid:[info_nce,clear],when:{ratio.monolingual:0}},"
    "train.log_every:{grid:[1,2],when:{loss:info_nce}},train.steps:{grid:[1,2]},"
    "train.learning_rate:{grid:[0.1],when:{train.steps:1}}}"
)


def test_every_trial_has_the_values_that_it_was_trained_with(tmp_path: Path) -> None:
    composer = Composer("sweep", [AT_HALF, "study.seeds=[0,1]"])
    settings, folder = load_settings(composer), StudyFolder(tmp_path)
    store = StudyStore(folder, settings.study, lambda _: True)
    store.enqueue()
    unknown = [record.parameters for record in store.view.records() if record.parameters["ratio.monolingual"] != 0.5]
    assert unknown == [{"ratio.monolingual": 0}] * 2 + [{"ratio.monolingual": 1}] * 2  # no configuration yet
    folder.config.write_text(composer.yaml())
    records = StudyView.open(folder, settings.study).records()
    found = {
        tuple(record.parameters[path] for path in ("ratio.monolingual", "ratio.mix", "ratio.cross_batch"))
        for record in records
    }
    assert found == {
        (0, "batches", "pair"), (1, "batches", "pair"),
        (0.5, "batches", "pair"), (0.5, "batches", "mixed"), (0.5, "merge", "pair"),
    }  # fmt: skip
    assert {record.key for record in records} == set(store.view.trials())  # trials are the same ones


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        # A group's choice has no name in a configuration; what hangs on something else than the ratio stays as it is.
        (WITHOUT, {"train.log_every": 5}),
        (f"study.space={{{RATIOS}}}", {}),
    ],
)
def test_only_what_hangs_on_the_ratio_is_looked_up(tmp_path: Path, space: str, expected: dict[str, float]) -> None:
    composer = Composer("sweep", [space])
    (tmp_path / "config.yaml").write_text(composer.yaml())
    assert values_at_other_ratios(load_settings(composer).study, tmp_path / "config.yaml") == expected
