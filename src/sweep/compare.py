"""`python -m sweep.compare`: is one system better than another, and how sure is that?"""

import sys

from sweep.commands.compare_results import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
