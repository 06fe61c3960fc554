"""Real trainings of one ratio, from which disjoint sets of seeds are drawn as if they were ratios: nothing differs.

Any draw of trainings into sets is a fair study of equal ratios, so the mean over draws is an unbiased rate. But draws
overlap, and trainings are few: the standard error is the infinitesimal jackknife's for subsamples (Wager, Hastie and
Efron 2014, JMLR 15), without the part that is due to drawing, and never less than it can resolve with so many draws.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from sweep.evaluation.comparison import load_system
from sweep.settings.metric_key import MetricKey
from verdicts import Tally, Values, of_equal

NAME = "one_ratio"
RATIO = 0.5
SEEDS = (2, 3, 5)
MOST_RATIOS = 5
MOST_OF = 0.75  # of the trainings are in one draw: without others nothing is known of the error
SHARES = {
    "pairs, p < .05": "pairs",
    "crossed, p < .05": "crossed",
    "Holm, any": "table",
    "questions alone": "alone",
    "dropped": "dropped",
    "set misses": "missed",
}
FIGURES = {"plain maximum, too high by": "plain", "cross-fitted": "fitted"}

Table = tuple[str, list[str], list[list[str]]]


def tables(folder: Path, trainings: int, draws: int) -> Iterator[Table]:
    """Train what is missing; a table for the study's objective, and for mAP within languages and across scripts."""
    trials = train(folder, trainings)
    files = [trial / "ranks.parquet" for trial in trials]
    one = load_system(NAME, files)
    objective = yaml.safe_load((trials[0] / "config.yaml").read_text())["study"]["objectives"][0]["metric"]
    metrics = MetricKey.within(one.benchmark, objective).name, "mono/map", "cross/map/other_script"
    for metric in dict.fromkeys(metrics):
        value_sg = one.values_sg(metric)
        mean_s = value_sg.mean(1)
        title = (
            f"{metric}: {len(files)} trainings of ratio {RATIO:g}, {value_sg.shape[1]} groups, {draws} draws; "
            f"mean {mean_s.mean():.4f}, standard deviation between seeds {mean_s.std(ddof=1):.4f}"
        )
        yield title, ["seeds", "ratios", *SHARES, *FIGURES], [_row(value_sg, seeds, draws) for seeds in SEEDS]


def train(folder: Path, trainings: int) -> list[Path]:
    """The folders of the trials, after the product has run the study in `folder`: one point, many seeds."""
    if trainings < max(SEEDS) * 4:
        raise SystemExit(f"--train {trainings}: at least {max(SEEDS) * 4} are needed")
    folder.mkdir(parents=True, exist_ok=True)
    seeds = ",".join(map(str, range(trainings)))
    study = [f"study.name={NAME}", f"study.seeds=[{seeds}]", f"ratio.monolingual={RATIO}", "study.export=none"]
    options = ["launcher.workers=2", "launcher.threads=1", "tracking=json_lines"]
    done = subprocess.run(
        [sys.executable, "-m", "sweep", *study, *options], cwd=folder, check=False, stdout=sys.stderr
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return [folder / "sweeps" / NAME / "trials" / f"seed={seed}" for seed in range(trainings)]


def _row(value_sg: Values, seeds: int, draws: int) -> list[str]:
    """Rates over draws of sets of so many seeds."""
    rng, trainings, tally = np.random.default_rng(seeds), len(value_sg), Tally()
    ratios = min(MOST_RATIOS, int(MOST_OF * trainings) // seeds)
    drawn_bs = np.zeros((draws, trainings))
    for draw in range(draws):
        sets = rng.permutation(trainings)[: ratios * seeds].reshape(ratios, seeds)
        drawn_bs[draw, sets.ravel()] = 1
        verdict = of_equal([value_sg[places] for places in sets], float(value_sg.mean()))
        tally.add(**verdict, missed=1 - verdict["kept"])
    cells = [_cell(tally, name, drawn_bs, 3) for name in SHARES.values()]
    return [str(seeds), str(ratios), *cells, *(_cell(tally, name, drawn_bs, 4) for name in FIGURES.values())]


def _cell(tally: Tally, name: str, drawn_bs: Values, digits: int) -> str:
    """The mean over draws and its standard error, from how much it depends on each training's being drawn."""
    value_b = np.array(tally.counted[name])
    draws, trainings = drawn_bs.shape
    size = drawn_bs[0].sum()
    covariance_s = (drawn_bs - size / trainings).T @ (value_b - value_b.mean()) / draws
    factor = trainings * (trainings - 1) / (trainings - size) ** 2
    of_drawing = factor * size * (1 - size / trainings) * float(value_b.var()) / draws
    of_trainings = factor * float((covariance_s**2).sum()) - of_drawing
    resolved = of_drawing * (2 / trainings) ** 0.5
    error = (max(of_trainings, resolved) + float(value_b.var()) / draws) ** 0.5
    return f"{value_b.mean():.{digits}f} ± {error:.{digits}f}"
