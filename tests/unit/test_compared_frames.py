"""The frame of comparisons has what the report's tables have, of a large study too."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.ranked_study import CODES, answered, toy, write_trial

from sweep.answer.compared_frames import comparisons_frame
from sweep.answer.systems import Systems
from sweep.records.folder import StudyFolder

SHAPES = {1: (0.3, 3, 2), 2: (0.6, 2, 2), 3: (0.9, 2, 1), 4: (0.2, 1, 2)}  # noise, ratios, seeds by train.steps


def test_a_large_study_is_compared_as_in_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second best combination is too large for what is left, the third is not; the very best has a single ratio,
    and nothing to compare."""
    for module in ("ratios", "compared_frames"):
        monkeypatch.setattr(f"sweep.answer.{module}.MOST_TRIALS", 8)
    folder, bench = StudyFolder(tmp_path / "large"), toy()
    records = [
        write_trial(
            folder,
            {"ratio.monolingual": ratio, "train.steps": steps},
            seed,
            dict.fromkeys(CODES, noise + ratio / 10),
            bench,
        )
        for steps, (noise, ratios, seeds) in SHAPES.items()
        for ratio in (0.0, 0.5, 1.0)[:ratios]
        for seed in range(seeds)
    ]
    systems = Systems()
    answer, settings = answered(folder, records, systems, "study.seeds=[0,1]")
    tables = {table.others for table in answer.certainty.tables}
    assert tables == {"train.steps=1", "train.steps=3"}
    study = SimpleNamespace(folder=folder, settings=settings)
    frame = comparisons_frame(study, answer, systems)  # type: ignore[arg-type]
    assert set(frame.others) == tables
