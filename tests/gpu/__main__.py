"""The checks without pytest: `python -m tests.gpu [cpu|cuda]` prints a line each; exit status 1 if one fails."""

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from tests.gpu import checks

Check = Callable[[torch.device, Path], str]


def checks_for(device: torch.device) -> dict[str, Check]:
    """All checks by name; each gets a device and an empty folder."""
    compiled = "inductor" if device.type == "cuda" else "eager"  # which needs no C++ compiler
    plain: list[Check] = [
        checks.float32_embeddings_are_those_of_the_cpu,
        checks.bf16_embeddings_are_near_those_of_the_cpu,
        checks.packed_batches_are_padded_ones,
        checks.gradient_caching_is_the_plain_step,
        checks.a_restricted_vocabulary_trains_the_same,
        checks.a_training_has_the_losses_of_the_cpu,
        checks.ranks_are_those_of_the_cpu,
        checks.ranks_need_no_more_memory_than_there_is,
        checks.one_rank_adds_up_to_itself,
    ]
    return {check.__name__: check for check in plain} | {
        "a_compiled_encoder_is_the_plain_one": lambda device, folder: checks.a_compiled_encoder_is_the_plain_one(
            device, folder, compiled
        ),
        "a_resumed_training_ends_the_same": lambda device, folder: checks.a_resumed_training_ends_the_same(
            device, folder, folder / "checkpoints"
        ),
        "flash_attention_is_padding": checks.flash_attention_is_padding,
    }


def is_left_out(error: Exception) -> bool:
    """Whether a check lacks the one package that not everybody has."""
    return isinstance(error, ModuleNotFoundError) and error.name == "flash_attn"


def main(arguments: list[str]) -> int:
    """Run all checks on a device; the card if there is one."""
    device = torch.device(arguments[0] if arguments else "cuda" if torch.cuda.is_available() else "cpu")
    failed = 0
    for name, check in checks_for(device).items():
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                line = check(device, Path(folder))
            except Exception as error:
                if is_left_out(error):
                    line = f"left out: {error}"
                else:
                    failed += 1
                    line = f"FAILED\n{traceback.format_exc()}"
        print(f"{name.replace('_', ' ')}: {line} ({time.perf_counter() - started:.1f} s)", flush=True)
    print(f"{failed} failed on {device}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
