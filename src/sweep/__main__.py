"""`python -m sweep`: run or resume a study."""

import sys

from sweep.commands.run_study import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
