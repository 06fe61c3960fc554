"""`python -m sweep.report`: what studies say, as a page, as tables for a paper, or as data."""

from sweep.commands.command_line import exit_with
from sweep.commands.write_report import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
