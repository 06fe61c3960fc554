"""Experiments given to commands that run no study."""

from pathlib import Path

import pytest

from sweep.errors import InputError
from sweep.settings.compose import Composer
from sweep.settings.tree import config_folder

OWN = """# @package _global_
# One of a user's.
defaults:
  - override /data: rows
  - override /train: finetune
  - /evaluation@benchmarks.two: mlqa_r
study: {name: own}
"""


@pytest.mark.parametrize("config_name", ["inspect", "evaluate", "mine", "export", "write_report"])
@pytest.mark.parametrize("experiment", [file.stem for file in (config_folder() / "experiment").glob("*.yaml")])
def test_no_other_command_takes_one_and_leaves_half_of_it_out(config_name: str, experiment: str) -> None:
    with pytest.raises(InputError, match=rf"^\+experiment={experiment} is for python -m sweep alone; here write "):
        Composer(config_name, [f"+experiment={experiment}"]).compose()
    Composer("sweep", [f"+experiment={experiment}"]).compose()


@pytest.mark.parametrize(
    ("config_name", "choices"),
    [
        ("inspect", "its choices, data=rows, and what"),
        ("evaluate", "its choices, +evaluation@benchmarks.two=mlqa_r, and what"),
        ("write_report", "what it sets"),
    ],
)
def test_the_choices_that_a_command_has_are_named(tmp_path: Path, config_name: str, choices: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "own.yaml").write_text(OWN)
    with pytest.raises(InputError, match=f"here write {choices.replace('+', '[+]')}"):
        Composer(config_name, ["+experiment=own"], str(tmp_path)).compose()
