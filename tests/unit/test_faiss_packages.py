"""One package alone may provide FAISS, and torch is imported before it."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sweep.errors import InputError
from sweep.evaluation.passage_index import best_passages
from sweep.records.faiss_packages import check_one_faiss, faiss_packages
from sweep.settings import SearchSettings

SOURCE = Path(__file__).parents[2] / "src" / "sweep"


def install(folder: Path, name: str) -> None:
    """What importlib.metadata reads of an installed package."""
    info = folder / f"{name.replace('-', '_')}-1.15.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.15.1\n")


def test_one_is_installed_here() -> None:
    assert len(faiss_packages()) == 1
    check_one_faiss()


def test_two_are_refused_with_the_commands_that_keep_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (present,) = faiss_packages()
    other = "faiss-gpu-cuvs" if present == "faiss-cpu" else "faiss-cpu"
    install(tmp_path, other)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError) as raised:
        check_one_faiss()
    gpu = next(name for name in (present, other) if name != "faiss-cpu")
    assert "faiss-cpu and faiss-gpu" in str(raised.value)
    assert "pip uninstall --yes faiss-cpu faiss-gpu" in str(raised.value)
    assert f"pip install --no-deps {gpu}" in str(raised.value)
    one = np.ones((1, 1), np.float32)
    search = SearchSettings(index="flat", depth=1, lists=None, probes=1, neighbours=4)
    with pytest.raises(InputError, match="Keep one"):
        best_passages(one, one, np.zeros(1, np.int64), search, tmp_path)


def test_a_command_refuses_two(tmp_path: Path) -> None:
    install(tmp_path, "faiss-gpu-cuvs")
    install(tmp_path, "faiss-cpu")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from sweep.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "+experiment=smoke"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert "faiss-cpu and faiss-gpu-cuvs are installed" in done.stderr
    assert not (tmp_path / "sweeps").exists()


def test_faiss_is_imported_in_one_place_behind_torch() -> None:
    importing = {
        str(module.relative_to(SOURCE)): [
            alias.name for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Import)
            for alias in node.names
        ]
        for module in SOURCE.rglob("*.py")
    }  # fmt: skip
    assert [module for module, names in importing.items() if "faiss" in names] == ["evaluation/faiss_library.py"]
    assert importing["evaluation/faiss_library.py"] == ["torch", "faiss"]
