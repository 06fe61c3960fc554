"""The same checks on a CPU, small: that they run, and would fail if they should."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
import torch

from sweep.evaluation import device_blocks
from tests.gpu import checks
from tests.gpu.__main__ import checks_for
from tests.gpu.material import CPU

PROJECT = Path(__file__).parents[2]
PACKAGES = ("torch", "transformers", "accelerate", "numpy", "pyarrow", "safetensors", "faiss-cpu", "pydantic")
NEEDS_A_CARD = {"flash_attention_is_padding"}


def required(names: Iterable[str]) -> set[str]:
    """Packages, and all that they need, without extras, as far as it is installed."""
    waiting, needed = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # needed on other systems alone
            continue
        needed.add(name)
        waiting += [re.split(r"[\s<>=!~;\[(]", line)[0] for line in lines if "extra ==" not in line]
    return needed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokenizers and token ids of all checks."""
    return tmp_path_factory.mktemp("checks")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if "compiled" in name else name
        for name in checks_for(CPU)
        if name not in NEEDS_A_CARD
    ],
)
def test_on_the_cpu(name: str, folder: Path) -> None:
    assert checks_for(CPU)[name](CPU, folder)


def test_wrong_ranks_would_be_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, rng, calls = device_blocks.products, np.random.default_rng(0), []

    def products(query_bh: torch.Tensor, passage_ch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        scores_bc = plain(query_bh, passage_ch)
        return scores_bc + torch.from_numpy(rng.normal(scale=1e-3, size=tuple(scores_bc.shape)))

    monkeypatch.setattr(device_blocks, "products", products)
    with pytest.raises(AssertionError):
        checks.ranks_are_those_of_the_cpu(CPU, folder)
    assert calls


@pytest.mark.slow
def test_no_other_packages_are_needed(tmp_path: Path) -> None:
    """The checks, and an evaluation with all figures, where only the packages that docs/gpu.md names are installed,
    and what these need themselves."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in required(PACKAGES):
        for file in distribution(name).files or ():
            top = file.parts[0]
            there, here = Path(str(distribution(name).locate_file(top))), packages / top
            if ".." not in file.parts and there.exists() and not here.exists():
                here.symlink_to(there)
    environment = {"PYTHONPATH": f"{PROJECT / 'src'}:{PROJECT}:{packages}", "PATH": os.environ["PATH"]}
    environment |= {"OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tests.gpu.bare"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"there": [], "ranks": True}
    assert "babel is not installed" in done.stderr
    assert "scikit-learn is not installed" in done.stderr
