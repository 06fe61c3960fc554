"""Which code made a result."""

import subprocess
from functools import cache
from pathlib import Path


@cache  # a worker asks after every trial, and runs what it has imported
def git_commit() -> str | None:
    """The commit of the checkout that the package runs from, `-dirty` if it has changes; None outside a checkout."""
    here = Path(__file__).parent
    try:
        # A package installed into some other repository's folder is not that repository's.
        subprocess.run(
            ["git", "ls-files", "--error-unmatch", __file__], cwd=here, capture_output=True, timeout=10, check=True
        )
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--", "."],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changes else commit
