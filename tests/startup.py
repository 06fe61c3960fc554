"""What Python processes that a test starts do first: so a test holds them where it wants them, however fast they are.

Python runs a `sitecustomize` before anything else. A child inherits it, and so do the workers of a study.
"""

import os
from pathlib import Path

AT_STEPS = """
import os, sys, time
from importlib.machinery import PathFinder

BEFORE_STEP

class AtSteps:
    def find_spec(self, name, path=None, target=None):
        if name != "torch.optim.adamw":
            return None
        spec = PathFinder.find_spec(name, path)
        run_module = spec.loader.exec_module

        def exec_module(module):
            run_module(module)
            take_step = module.AdamW.step

            def step(self, *arguments, **options):
                before_step(self)
                return take_step(self, *arguments, **options)

            module.AdamW.step = step

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, AtSteps())
"""

SLOW = """
trainings = [0]

def before_step(optimizer):
    if not hasattr(optimizer, "training"):
        trainings[0] += 1
        optimizer.training, optimizer.steps = trainings[0], 0
    optimizer.steps += 1
    if optimizer.training < int(os.environ["SLOW_FROM"]) or optimizer.steps <= int(os.environ["SLOW_AFTER"]):
        return
    end = time.monotonic() + float(os.environ["SLOW_STEP_S"])
    while os.path.exists(os.environ["SLOW_FILE"]) and time.monotonic() < end:
        time.sleep(0.01)
"""

HELD_SERVER = """
import os, sys, time

server = any("multiprocessing.forkserver" in word for word in sys.orig_argv)
held, go = (os.path.join(os.environ["HELD_FOLDER"], name) for name in ("held", "go"))

def wait_for(file):
    end = time.monotonic() + 900  # if the test fails
    while not os.path.exists(file) and time.monotonic() < end:
        time.sleep(0.01)

class Held:
    def find_spec(self, name, path=None, target=None):
        if server and name == "torch":
            open(held, "w").close()
            wait_for(go)
        if not server and name == "sweep.run.driver":
            wait_for(held)

sys.meta_path.insert(0, Held())
"""


def first(folder: Path, code: str) -> dict[str, str]:
    """The environment of processes that run this code first."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def before_steps(folder: Path, code: str) -> dict[str, str]:
    """An environment in which trainings call `before_step(optimizer)`, which the code defines, at each of their
    steps."""
    return first(folder, AT_STEPS.replace("BEFORE_STEP", code))


def slow_steps(folder: Path, step_s: float = 0.5, training: int = 1, after: int = 0) -> dict[str, str]:
    """An environment in which each step takes this long as long as the file folder/"slow" exists, so that a trial
    does not end before the test has done to it what it is to do; the test removes the file then.

    Half a second is more than a worker waits with its next status, so each step shows there. `training`: which of a
    worker's trainings is the first of them, `after` how many steps of each attempt come before.
    """
    (folder / "slow").touch()
    return {
        **before_steps(folder, SLOW),
        "SLOW_FILE": str(folder / "slow"),
        "SLOW_STEP_S": str(step_s),
        "SLOW_FROM": str(training),
        "SLOW_AFTER": str(after),
    }


def held_server(folder: Path) -> dict[str, str]:
    """An environment in which a fork server makes folder/"held" before it imports torch, and waits there until
    folder/"go" exists. A study's command has waited for the first of them before it looks at its data."""
    return {**first(folder, HELD_SERVER), "HELD_FOLDER": str(folder)}
