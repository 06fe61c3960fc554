"""What an actor does on its node of a Ray cluster: it starts a rank where that can work. No cluster is needed."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.ranks import order

from sweep.launch.fresh_rank import RankParts, carried
from sweep.launch.ray_actor import RankActor

pytestmark = pytest.mark.slow


def test_a_rank_works_in_its_scratch_folder_where_that_of_the_command_is_not(tmp_path: Path) -> None:
    parts = RankParts(0, 1, carried(os.environ), "/not/here", None, "tests.contract.ranks:main", None)
    given = replace(order(tmp_path, "end", "0"), scratch=str(tmp_path / "scratch"))
    actor = RankActor()
    actor.start(parts, given, "127.0.0.1")
    assert actor.wait() == 0
    assert json.loads((tmp_path / "w-0.json").read_text())["folder"] == str(tmp_path / "scratch")
    with pytest.raises(FileNotFoundError, match="/not/here"):
        RankActor().start(parts, order(tmp_path, "end", "0"), "127.0.0.1")
