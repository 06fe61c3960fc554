"""What a training was exposed to: the plan's batches, counted once each through kills, and the losses they had."""

import contextlib
import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_checkpoint import Killed
from tests.unit.test_training import prepared

from sweep.training.exposure import Exposure
from sweep.training.loop import Trained
from sweep.training.plan import Batch
from sweep.training.watch import TrainingPoint, Watch
from sweep.trial.exposure import exposure_table

STEPS = (
    "train.steps=9", "train.checkpoint_steps=2", "train.accumulate_batches=2", "train.batch_size=25",
    "ratio.cross_batch=mixed",
)  # fmt: skip


def run(cache: Path, folder: Path | None, stop: int | None = None) -> Trained | None:
    def note(point: TrainingPoint) -> None:
        if point.step == stop:
            raise Killed

    with contextlib.suppress(Killed):
        return prepared(cache, *STEPS, folder=folder)[0].run(Watch(on_point=note))
    return None


def test_it_counts_the_batches_of_the_plan(cache: Path) -> None:
    training, _, settings = prepared(cache, *STEPS)
    losses: dict[str, list[float]] = {"monolingual": [], "cross-lingual": []}
    batches: list[Batch] = []
    step: Any = training._step

    def watched(batch: Batch, share: float, last: Any) -> Any:
        loss_b = step(batch, share, last)
        batches.append(batch)
        losses[batch.kind].append(float(loss_b.mean()))
        return loss_b

    watched.tokens = step.tokens  # type: ignore[attr-defined]
    training._step = watched  # type: ignore[assignment]
    exposure = training.run(Watch()).exposure
    assert len(batches) == exposure.batches == 18
    rows = Counter(pair for batch in batches for pair in batch.pairs)
    assert {pair: count.rows for pair, count in exposure.pairs.items()} == rows
    of_pair = Counter(pair for batch in batches for pair in set(batch.pairs))
    assert {pair: count.batches for pair, count in exposure.pairs.items()} == of_pair
    kinds = Counter(batch.kind for batch in batches)
    assert exposure.monolingual_share == kinds["monolingual"] / 18
    small = Counter(pair for batch in batches if len(batch.pairs) < 25 for pair in set(batch.pairs))
    assert {pair: count.small for pair, count in exposure.pairs.items() if count.small} == small
    assert exposure.small == sum(len(batch.pairs) < settings.train.batch_size for batch in batches) > 0
    texts = [("query", batch.question_b) for batch in batches] + [("passage", batch.passage_b) for batch in batches]
    ids = [sequence for role, indices in texts for sequence in step._tokens.of(role, indices)]
    assert exposure.tokens == sum(map(len, ids)) > 0
    for kind, count in exposure.kinds.items():
        assert count.mean_loss == sum(losses[kind]) / len(losses[kind])


@pytest.mark.parametrize("stop", [1, 3, 6, 9])
def test_it_is_the_same_to_the_bit_after_a_kill(cache: Path, tmp_path: Path, stop: int) -> None:
    whole = run(cache, None)
    run(cache, tmp_path, stop)
    again = run(cache, tmp_path)
    assert whole is not None
    assert again is not None
    assert again.exposure == whole.exposure


def test_it_survives_json() -> None:
    exposure = Exposure.from_json({"kinds": [["monolingual", 2, 0.1, 1]], "pairs": [["en", "en", 2, 7]], "small": 1})
    assert Exposure.from_json(exposure.to_json()) == exposure
    assert exposure.kinds["monolingual"].mean_loss == 0.1
    assert exposure.tokens is None  # not counted before, so never known
    assert exposure.pairs["en", "en"] == (2, 7, 0)  # an earlier version's


def test_the_table_has_every_pair_and_shares_of_all_rows(cache: Path) -> None:
    trained = run(cache, None)
    assert trained is not None
    rows = list(csv.DictReader(exposure_table(trained.exposure).splitlines()))
    assert len(rows) == len(trained.exposure.pairs)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-4)
    for row in rows:
        pair = row["query_language"], row["passage_language"]
        assert (int(row["batches"]), int(row["rows"]), int(row["small_batches"])) == trained.exposure.pairs[pair]
        assert row["kind"] == ("monolingual" if pair[0] == pair[1] else "cross-lingual")
    assert trained.exposure.summary()["rows"]["en"] == {
        answered: count.rows for (asked, answered), count in sorted(trained.exposure.pairs.items()) if asked == "en"
    }
