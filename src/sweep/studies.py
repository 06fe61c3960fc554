"""`python -m sweep.studies`: the studies of a sweeps folder, whether they run or not."""

from sweep.commands.command_line import exit_with
from sweep.commands.manage_studies import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
