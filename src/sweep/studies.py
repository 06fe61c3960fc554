"""`python -m sweep.studies`: the studies of a sweeps folder, whether they run or not."""

import sys

from sweep.commands.manage_studies import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
