"""`python -m sweep.mine`: mine hard negatives for training data with any encoder."""

from sweep.commands.command_line import exit_with
from sweep.commands.mine_negatives import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
