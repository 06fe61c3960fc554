"""An optimizer's state as tensors and JSON, so that nothing in a file of it is executed."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from sweep.model.distributed_tensors import in_parts_of, whole


def optimizer_parts(optimizer: torch.optim.Optimizer, keeps: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by "parameter.name", and the rest of the optimizer's state. Tensors in parts are put together by all
    ranks; those that do not keep them get none."""
    state = optimizer.state_dict()
    tensors, numbers = {}, {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            if not isinstance(value, Tensor):
                numbers[f"{parameter}.{name}"] = value
                continue
            full = whole(value).contiguous()
            if keeps:
                tensors[f"{parameter}.{name}"] = full
    return tensors, {"numbers": numbers, "param_groups": state["param_groups"]}


def optimizer_state(
    optimizer: torch.optim.Optimizer, tensors: Iterable[tuple[str, Tensor]], rest: dict[str, Any]
) -> dict[str, Any]:
    """What `Optimizer.load_state_dict` takes, from both parts, each tensor in the parts of its parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in chain(tensors, rest["numbers"].items()):
        number, name = key.split(".", 1)
        own = parameters[int(number)]
        if isinstance(value, Tensor) and value.shape == own.shape and value.dim():
            value = in_parts_of(value, own)
        state.setdefault(int(number), {})[name] = value
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
