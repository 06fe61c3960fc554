"""The checks on a GPU; skipped where there is none."""

from pathlib import Path

import pytest
import torch

from tests.gpu.__main__ import checks_for, is_left_out

CARD = torch.device("cuda")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.mark.parametrize("name", list(checks_for(CARD)))
def test_check(name: str, tmp_path: Path) -> None:
    try:
        print(checks_for(CARD)[name](CARD, tmp_path))
    except ModuleNotFoundError as error:
        if not is_left_out(error):
            raise
        pytest.skip(str(error))
