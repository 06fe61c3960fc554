"""Print where MLflow's pages show the latest study of the folder `sweeps`: `make ui` serves them on PORT."""

import os
from pathlib import Path

from sweep.tracking.mlflow_links import experiment_in, pages_of

SWEEPS = Path("sweeps")


def main() -> None:
    """The addresses, or that there is nothing to see yet."""
    latest = sorted(SWEEPS.glob("*/trials.csv"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in latest:
        experiment = experiment_in(SWEEPS / "mlflow.db", file.parent.name)
        if experiment is not None:
            print(f"The latest study, {file.parent.name}, once MLflow is there:")
            for name, address in pages_of(experiment, f"http://127.0.0.1:{os.environ.get('PORT', '5000')}").items():
                print(f"  {name + ':':<8} {address}")
            return
    print("No study of the folder sweeps is in sweeps/mlflow.db yet; `make sweep` runs one, which MLflow will show.")


if __name__ == "__main__":
    main()
