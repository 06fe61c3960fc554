"""Models whose folder brings Python code of its own."""

from typing import Any

import torch
from accelerate import init_empty_weights


def has_own_code(backbone: Any) -> bool:
    """Whether the modules are none of transformers', even where they have the same name."""
    return not type(backbone).__module__.startswith("transformers.")


def fill_buffers(backbone: Any, config: Any) -> None:
    """Compute the buffers that no file of weights has, such as tables of rotary positions, as the code does when a
    model is built from its configuration.

    transformers 5 builds a model without memory and leaves such buffers with whatever the memory holds, unless the
    code fills them in its `_init_weights`; code that was written for transformers 4, such as mGTE's, does not.
    """
    unfilled = dict(backbone.named_non_persistent_buffers())
    if not unfilled:
        return
    with init_empty_weights(include_buffers=False):
        built = dict(type(backbone)(config).named_buffers())
    with torch.no_grad():
        for name, buffer in unfilled.items():
            buffer.copy_(built[name])
