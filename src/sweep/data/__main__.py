"""`python -m sweep.data`: look at training data, or write its rows to a file."""

from sweep.commands.command_line import exit_with
from sweep.commands.handle_data import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
