"""Optuna's pages of one study: STUDY of the folder sweeps, or those of the database STORAGE. Both are taken from the
environment, which no other user sees, while a command line is seen by everyone on the machine."""

import os
import sys
from importlib import import_module
from pathlib import Path

study, storage = os.environ["STUDY"], os.environ["STORAGE"]
if storage and "STORAGE=" in os.environ.get("MAKEFLAGS", "") and "@" in storage:
    sys.exit(
        "STORAGE: everyone on this machine can read a password after make; give it by the environment: "
        "export STORAGE, and then make dashboard"
    )
if not storage:
    file = Path("sweeps", study, "study.db")
    if not file.is_file():
        known = ", ".join(sorted(folder.parent.name for folder in Path("sweeps").glob("*/study.db"))) or "none"
        sys.exit(f"no study {study!r}: make dashboard STUDY=NAME, one of: {known}")
    storage = f"sqlite:///{file}"

# An import takes seconds: after what can be wrong.
import_module("optuna_dashboard").run_server(storage, host="127.0.0.1", port=int(os.environ["DASHBOARD_PORT"]))
