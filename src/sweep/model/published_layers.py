"""What a folder says of the layers behind a model's pooling: what it is to a reader, and whether it can be built."""

from typing import Any

from sweep.errors import InputError

LAYERS = ("Dense", "LayerNorm", "Dropout", "Normalize")  # what `sweep.model.head` can build
VECTOR = "sentence_embedding"  # what a layer reads and writes


def layer_text(kind: str, config: dict[str, Any]) -> str:
    """A layer in a few words."""
    if kind != "Dense":
        return kind
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    return f"Dense {config['in_features']} to {config['out_features']} with {activation}"


def layer_problem(kind: str, config: dict[str, Any]) -> str | None:
    """Why a layer cannot be one of a head, or None."""
    if kind not in LAYERS:
        return f"it has a module {kind} behind its pooling"
    places = {config.get(name) or VECTOR for name in ("module_input_name", "module_output_name")}
    if places != {VECTOR}:
        return f"its {kind} reads or writes {' '.join(sorted(places - {VECTOR}))}"
    if kind == "Dense":
        from sweep.model.head import activation_of  # imports torch: a second, for a folder that has such a layer

        try:
            activation_of(config)
        except InputError as error:
            return str(error)
    return None
