"""What a study that still lacks seeds says: a point with the first, lucky seed wins nothing."""

from dataclasses import replace

import pytest
from tests.unit.ranked_study import CODES, MAP, answered, toy, write_trial

from sweep.answer.matrices import pair_matrices
from sweep.answer.points import best_of, front_of, points_of
from sweep.answer.ranked_points import combinations_shown, contrast_of
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.settings import Objective, Settings

NOISES = {0.0: 1.2, 0.5: 0.3, 1.0: 0.8}
SEEDS = "study.seeds=[0,1,2]"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[TrialRecord]]:
    """Of 0.5 one seed has come, and by far the best; the others have all three."""
    folder = StudyFolder(tmp_path_factory.mktemp("running"))
    bench = toy()
    return folder, [
        write_trial(folder, {"ratio.monolingual": ratio}, seed, dict.fromkeys(CODES, noise), bench)
        for ratio, noise in NOISES.items()
        for seed in ((0,) if ratio == 0.5 else (0, 1, 2))
    ]


def of(running: tuple[StudyFolder, list[TrialRecord]]) -> tuple[StudyAnswer, Settings, Systems]:
    systems = Systems()
    answer, settings = answered(*running, systems, SEEDS)
    return answer, settings, systems


def test_the_best_has_all_seeds(running: tuple[StudyFolder, list[TrialRecord]]) -> None:
    answer, _, _ = of(running)
    assert answer.best is not None
    assert answer.best.parameters == {"ratio.monolingual": 1.0}
    folder, records = running
    first = [record for record in records if record.seed == 0]
    assert answered(folder, first, Systems(), SEEDS)[0].best is None
    alone = answered(folder, first, Systems(), "study.seeds=[0]")[0].best
    assert alone is not None
    assert alone.parameters == {"ratio.monolingual": 0.5}


def test_what_is_looked_at_closely_has_most_seeds(running: tuple[StudyFolder, list[TrialRecord]]) -> None:
    answer, settings, systems = of(running)
    folder, _ = running
    shown = combinations_shown(folder, answer, settings)
    contrast = contrast_of(answer, shown)
    assert contrast is not None
    assert (contrast.best, contrast.reference) == (1.0, 0.0)
    # With several objectives, and so no best point, too.
    contrast = contrast_of(replace(answer, best=None), shown)
    assert contrast is not None
    assert contrast.best == 1.0
    assert pair_matrices(folder, answer, settings, systems)


def test_the_front_has_all_seeds(running: tuple[StudyFolder, list[TrialRecord]]) -> None:
    _, records = running
    two = [replace(record, values=(record.value or 0.0, 1.0)) for record in records]
    goals = [Objective(metric=MAP, direction="maximize"), Objective(metric="x", direction="minimize")]
    whole = front_of(points_of(two), goals, 3)
    assert whole is not None
    assert [point.parameters["ratio.monolingual"] for point in whole.points] == [1.0]
    assert (whole.among, whole.lacking) == (3, 1)
    assert best_of(points_of(two), goals[0], 4) is None
