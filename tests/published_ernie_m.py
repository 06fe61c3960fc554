"""A small ERNIE-M with random weights, in the files that the published ones have."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "golden" / "ernie_m"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))


def random_weights() -> dict[str, torch.Tensor]:
    """What scripts/ernie_m_golden.py gave the model of transformers 4.40.2."""
    generator = np.random.default_rng(7)
    weights = {}
    for name in sorted(EXPECTED["shapes"]):
        scale_is_one = "norm" in name and name.endswith("weight")
        drawn = generator.standard_normal(EXPECTED["shapes"][name]) * 0.3 + scale_is_one
        weights[name] = torch.from_numpy(drawn.astype(np.float32))
    return weights


def published_ernie_m(folder: Path, weights: dict[str, torch.Tensor] | None = None, **config: Any) -> Path:
    """The folder, with its weights as a pickle under the names of transformers 4.40.2."""
    folder.mkdir(parents=True, exist_ok=True)
    model = gzip.decompress((GOLDEN / "sentencepiece.bpe.model.gz").read_bytes())
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    (folder / "vocab.txt").write_bytes((GOLDEN / "vocab.txt").read_bytes())
    (folder / "config.json").write_text(json.dumps(EXPECTED["config"] | config))
    torch.save(random_weights() if weights is None else weights, folder / "pytorch_model.bin")
    return folder
