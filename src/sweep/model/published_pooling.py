"""What sentence-transformers' files call the modes of pooling, and how its versions write them."""

from collections.abc import Sequence
from typing import Any

# What sentence-transformers calls the modes: in its files before version 5.5, in the order in which they are put one
# after another, and in those since then where the name is another.
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
LONG_NAMES = {"mean_sqrt_len": "mean_sqrt_len_tokens"}
FIRST_FLAGS = 4  # that every version reads


def pooling_of(config: dict[str, Any]) -> str:
    """The setting `model.pooling` for a `1_Pooling/config.json` of any version of sentence-transformers."""
    modes = config.get("pooling_mode", [mode for flag, mode in FLAGS.items() if config.get(flag)] or "mean")
    short = {long: mode for mode, long in LONG_NAMES.items()}
    return "+".join(short.get(mode, mode) for mode in ([modes] if isinstance(modes, str) else modes))


def pooling_config(modes: Sequence[str], hidden_size: int) -> dict[str, Any]:
    """A `1_Pooling/config.json` as every sentence-transformers since 2.0 reads it, as far as it has these modes in
    this order."""
    if list(modes) != [mode for mode in FLAGS.values() if mode in modes]:
        return {"embedding_dimension": hidden_size, "pooling_mode": [LONG_NAMES.get(mode, mode) for mode in modes]}
    flags = {
        flag: mode in modes
        for place, (flag, mode) in enumerate(FLAGS.items())
        if place < FIRST_FLAGS or mode in modes
    }
    return {"word_embedding_dimension": hidden_size, **flags}
