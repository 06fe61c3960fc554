"""`python -m sweep`: run or resume a study."""

from sweep.commands.command_line import exit_with
from sweep.commands.run_study import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
