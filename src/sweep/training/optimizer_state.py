"""An optimizer's state as tensors and JSON, so that nothing in a file of it is executed."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def optimizer_parts(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by "parameter.name", and the rest of the optimizer's state."""
    state = optimizer.state_dict()
    tensors, numbers = {}, {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}.{name}"] = value.contiguous()
            else:
                numbers[f"{parameter}.{name}"] = value
    return tensors, {"numbers": numbers, "param_groups": state["param_groups"]}


def optimizer_state(tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> dict[str, Any]:
    """What `Optimizer.load_state_dict` takes, from both parts."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest["numbers"]}.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = value
    groups = [
        {**group, "betas": tuple(group["betas"])} if "betas" in group else group for group in rest["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def without_functions(value: Any) -> Any:
    """Without what JSON cannot hold: a schedule keeps its functions."""
    if isinstance(value, Mapping):
        return {key: without_functions(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, (list, tuple)):
        return [without_functions(item) for item in value if not callable(item)]
    return value
