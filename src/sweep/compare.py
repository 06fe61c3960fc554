"""`python -m sweep.compare`: is one system better than another, and how sure is that?"""

from sweep.commands.command_line import exit_with
from sweep.commands.compare_results import main

__all__ = ["main"]

if __name__ == "__main__":
    exit_with(main)
