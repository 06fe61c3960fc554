"""The average of two trained encoders, and which studies may ask for it."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from sweep.errors import InputError
from sweep.model.encoder import Encoder
from sweep.model.merging import WEIGHTS, keep_weights, merge_into
from sweep.records.checksums import weights_problem
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.parents import parent_keys
from sweep.study.point import grid_points

GRID = "study.space={ratio.mix:{grid:[batches,merge]},ratio.monolingual:{grid:[%s]}}"


def small_encoder(seed: int, hidden: int = 8) -> Encoder:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=30, hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    return Encoder(BertModel(config, add_pooling_layer=False), "mean", "float32")


def test_an_average_is_that_of_every_weight_and_its_ends_are_the_parents(tmp_path: Path) -> None:
    one, other = small_encoder(1), small_encoder(2)
    keep_weights(one, tmp_path / "one")
    keep_weights(other, tmp_path / "other")
    merged = small_encoder(3)
    for share in (0.0, 0.3, 1.0):
        merge_into(merged, tmp_path / "one", tmp_path / "other", share)
        for name, weight in merged.state_dict().items():
            first, second = one.state_dict()[name], other.state_dict()[name]
            naive = share * first.numpy().astype("float64") + (1 - share) * second.numpy().astype("float64")
            assert torch.equal(weight, torch.from_numpy(naive).to(weight.dtype)), name
            if share in (0.0, 1.0):
                assert torch.equal(weight, first if share else second), name


def test_damaged_and_missing_weights_are_refused(tmp_path: Path) -> None:
    keep_weights(small_encoder(1), tmp_path / "one")
    keep_weights(small_encoder(2, hidden=4), tmp_path / "small")
    with pytest.raises(InputError, match="no longer there"):
        merge_into(small_encoder(3), tmp_path / "one", tmp_path / "none", 0.5)
    with pytest.raises(InputError, match="cannot be averaged"):
        merge_into(small_encoder(3), tmp_path / "one", tmp_path / "small", 0.5)
    file = tmp_path / "one" / WEIGHTS
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    assert weights_problem(tmp_path / "one") == f"{WEIGHTS} is damaged"


def test_merges_come_after_their_parents_and_name_them() -> None:
    study = load_settings(Composer("sweep", [GRID % "0,0.5,1", "study.seeds=[0,1]"])).study
    points = grid_points(study)
    assert [point.values["ratio.mix"] for point in points] == ["batches"] * 6 + ["merge"] * 2
    assert {point.values["ratio.monolingual"] for point in points[6:]} == {0.5}
    keys = [point.key for point in points]
    for point in points[6:]:
        parents = parent_keys(point, study)
        assert parents is not None
        assert parents == tuple(f"ratio.mix=batches,ratio.monolingual={end},seed={point.seed}" for end in (1, 0))
        assert set(parents) < set(keys)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([GRID % "0,0.5"], "add to the grid: .*ratio.monolingual: 1"),
        (["study.space={ratio.mix:{grid:[merge]},ratio.monolingual:{grid:[0,0.5,1]}}"], "add to the grid"),
        (["study.space={ratio.mix:{grid:[batches,merge]}}"], "needs ratio.monolingual in the space"),
        (["ratio.mix=merge"], "search it beside ratio.monolingual"),
        (
            ["study.space={ratio.mix:{choice:[batches,merge]},ratio.monolingual:{float:[0,1]}}", "study.points=5"],
            "study.first_points",
        ),
        (
            [
                "study.space={ratio.mix:{choice:[batches,merge]},ratio.monolingual:{float:[0,1]},"
                "train.learning_rate:{float:[0.001,0.01]}}",
                "study.points=5",
            ],
            "leave out train.learning_rate",
        ),
    ],
)
def test_merges_without_parents_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_settings(Composer("sweep", overrides))
