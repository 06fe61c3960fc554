"""What the CPU time of a training goes to, by kind of operation; a part of `training.py`.

Times are those of torch's operators without the operators that they call, as a clock on the wall has them: on a busy
machine, shares alone mean something. The profiler's own work is in them, most of all in those of short operators.
"""

from typing import Any

from torch.profiler import ProfilerActivity, profile

PRODUCTS = "matrix products"
OPTIMIZER = "optimizer, clipping"
REST = "rest, calls included"
KINDS = {
    PRODUCTS: ("mm", "addmm", "linear"),
    "attention's products": ("bmm", "baddbmm"),
    "softmax": ("_softmax", "_softmax_backward_data", "_safe_softmax", "all", "isneginf", "eq", "where"),
    "dropout's random bits": ("bernoulli_", "bernoulli"),
    "GELU": ("gelu", "gelu_backward"),
    "layer norm": ("native_layer_norm", "native_layer_norm_backward"),
    "embeddings": ("embedding", "index_select", "embedding_dense_backward"),
    "arithmetic": ("mul", "mul_", "div", "div_", "add", "add_", "sum", "mean", "neg"),
    "copies, zeros": ("copy_", "cat", "fill_", "zero_", "index", "_index_put_impl_"),
}
BY_NAME = {f"aten::{name}": kind for kind, names in KINDS.items() for name in names}


class Operations:
    """Profiles from `start` to `stop`."""

    def __init__(self) -> None:
        self._profile = profile(activities=[ProfilerActivity.CPU])

    def start(self) -> None:
        """From now on."""
        self._profile.start()

    def stop(self, steps: int) -> dict[str, float]:
        """Milliseconds a step, by kind."""
        self._profile.stop()
        spent = dict.fromkeys((*KINDS, OPTIMIZER, REST), 0.0)
        for event in self._profile.events():  # type: ignore[no-untyped-call]
            spent[_kind(event)] += event.self_cpu_time_total / 1000 / steps
        return spent


def _kind(event: Any) -> str:
    if event.name == "aten::linalg_vector_norm":  # of the gradients
        return OPTIMIZER
    above = event
    while above is not None:
        if above.name.startswith("Optimizer."):
            return OPTIMIZER
        if above.name in ("aten::embedding_dense_backward", "aten::embedding"):
            return "embeddings"
        above = above.cpu_parent
    return BY_NAME.get(event.name, REST)
