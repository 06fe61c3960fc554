"""`python -m sweep.evaluate`: score any encoder on a benchmark, without training."""

from sweep.commands.command_line import exit_with
from sweep.commands.score_encoder import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
