"""Imports model, training and evaluation, trains and evaluates; prints which other packages are there."""

import importlib
import json
import logging
import pkgutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.gpu.checks import a_training_has_the_losses_of_the_cpu, ranks_are_those_of_the_cpu
from tests.gpu.material import CPU, LANGUAGES, SMALL, Bench, accelerator_on, benchmark_of, section, train_settings

ROOMS = ("sweep.model", "sweep.training", "sweep.evaluation")
OTHERS = (
    "hydra",
    "omegaconf",
    "optuna",
    "mlflow",
    "babel",
    "sklearn",
    "scipy",
    "pandas",
    "langcodes",
    "pooch",
    "peft",
)


def main() -> None:
    """Everything once, on the CPU."""
    from sweep.evaluation.scoring import evaluate
    from sweep.settings import CldrEvaluation

    logging.basicConfig(level=logging.WARNING)
    for room in ROOMS:
        for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
            importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        a_training_has_the_losses_of_the_cpu(CPU, cache)
        ranks = bool(ranks_are_those_of_the_cpu(CPU, cache))
        with accelerator_on(CPU) as accelerator:
            bench = Bench(SMALL, cache, accelerator)
            bench.losses(train_settings(SMALL))
            asked = CldrEvaluation(**section("evaluation", "cldr", debias=()))
            tiers = {"low": frozenset(LANGUAGES[1:])}
            evaluation = evaluate(bench.retriever, benchmark_of(SMALL), asked, tiers, accelerator)
    assert evaluation is not None
    assert 0 < evaluation.metrics["made/pooled/map"] <= 1
    print(json.dumps({"there": [name for name in OTHERS if find_spec(name)], "ranks": ranks}))


if __name__ == "__main__":
    main()
