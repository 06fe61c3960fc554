"""`python -m sweep.evaluate`: score any encoder on a benchmark, without training."""

import sys

from sweep.commands.score_encoder import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
