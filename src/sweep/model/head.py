"""The layers behind the pooling of a sentence-transformers model: what its folder has between Pooling and the end.

Parameters are named as in that library's files, so that a layer's weights are read and written as they are.
"""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from sweep.errors import InputError


class Dense(nn.Module):
    """A linear layer and an activation, with a residual connection if that is asked for."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        size = config["in_features"], config["out_features"]
        self.linear = nn.Linear(*size, bias=config.get("bias", True))
        self.activation = activation_of(config)
        self.adds = bool(config.get("use_residual", False))
        if self.adds and size[0] != size[1]:
            self.residual = nn.Linear(*size, bias=False)

    def forward(self, vector_bh: Tensor) -> Tensor:
        """Vectors (b, out) of vectors (b, in)."""
        out_bo: Tensor = self.activation(self.linear(vector_bh))
        if not self.adds:
            return out_bo
        return out_bo + (self.residual(vector_bh) if hasattr(self, "residual") else vector_bh)


class LayerNorm(nn.Module):
    """Normalisation over the numbers of a vector."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config["dimension"])

    def forward(self, vector_bh: Tensor) -> Tensor:
        """Normalised vectors (b, h)."""
        normalised_bh: Tensor = self.norm(vector_bh)
        return normalised_bh


class Dropout(nn.Dropout):
    """Dropout while training."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config.get("dropout", 0.2))


class Normalize(nn.Module):
    """To length 1."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()

    def forward(self, vector_bh: Tensor) -> Tensor:
        """Vectors (b, h) of length 1."""
        return nn.functional.normalize(vector_bh, dim=-1)


KINDS: dict[str, type[nn.Module]] = {
    "Dense": Dense,
    "LayerNorm": LayerNorm,
    "Dropout": Dropout,
    "Normalize": Normalize,
}


class Head(nn.Sequential):
    """Layers one after another, each with its kind and its configuration as they stand in its folder."""

    def __init__(self, plan: tuple[tuple[str, dict[str, Any]], ...]) -> None:
        super().__init__(*(KINDS[kind](config) for kind, config in plan))
        self.plan = plan

    @property
    def embedding_size(self) -> int | None:
        """How many numbers an embedding has; None if no layer changes that."""
        sizes = [config["out_features"] for kind, config in self.plan if kind == "Dense"]
        return sizes[-1] if sizes else None

    def write(self, place: int, folder: Path) -> None:
        """The configuration and the weights of one layer, as sentence-transformers reads them."""
        kind, config = self.plan[place]
        folder.mkdir(parents=True)
        if kind != "Normalize":
            (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = {name: value.detach().cpu().contiguous() for name, value in self[place].state_dict().items()}
        if weights:
            save_file(weights, folder / "model.safetensors")


def activation_of(config: dict[str, Any]) -> nn.Module:
    """The activation of a Dense layer, by its class's full name. Raises InputError if it is none of torch's: a name
    from a file runs no code of others."""
    name = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    kind = getattr(nn, name.rpartition(".")[2], None) if name.startswith("torch.") else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise InputError(f"its Dense has the activation {name}, which is none of torch's")
    layer: nn.Module = kind()
    return layer
