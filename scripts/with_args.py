"""Run this interpreter with the arguments given here and those in ARGS, split as a shell does it, and not run."""

import os
import shlex
import sys

try:
    more = shlex.split(os.environ.get("ARGS", ""))
except ValueError as error:
    sys.exit(f"ARGS: {error}")
os.execv(sys.executable, [sys.executable, *sys.argv[1:], *more])
