"""Real trainings of one ratio, from which disjoint sets of seeds are drawn as if they were ratios: nothing differs.

Any draw of trainings into sets is a fair study of equal ratios, so the mean over draws is an unbiased rate. But draws
overlap, and trainings are few: the standard error is that of a jackknife which leaves out a quarter of them at a time
(Shao and Wu 1989, Annals of Statistics 17(3)), and of drawing.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sweep.evaluation.comparison import default_metrics, load_system
from verdicts import Tally, Values, of_equal

NAME = "one_ratio"
RATIO = 0.5
SEEDS = (2, 3, 5)
CHOICES = 40  # of three quarters of the trainings
LEFT_OUT = 4  # one in so many
MOST_RATIOS = 5
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
    """Train what is missing; a table for each metric that is compared by default."""
    trials = train(folder, trainings)
    files = [trial / "ranks.parquet" for trial in trials]
    one = load_system(NAME, files)
    for metric in default_metrics(one):
        value_sg = one.values_sg(metric)
        mean_s = value_sg.mean(1)
        title = (
            f"{metric}: {len(files)} trainings of ratio {RATIO:g}, {value_sg.shape[1]} groups; "
            f"mean {mean_s.mean():.4f}, standard deviation between seeds {mean_s.std(ddof=1):.4f}"
        )
        rows = [_row(value_sg, seeds, draws) for seeds in SEEDS]
        yield title, ["seeds", "ratios", *SHARES, *FIGURES], rows


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
    rng = np.random.default_rng(seeds)
    kept = len(value_sg) - len(value_sg) // LEFT_OUT
    ratios = min(MOST_RATIOS, kept // seeds)
    tallies = []
    for _ in range(CHOICES):
        chosen = rng.permutation(len(value_sg))[:kept]
        tally = Tally()
        for _ in range(draws):
            sets = rng.permutation(chosen)[: ratios * seeds].reshape(ratios, seeds)
            verdict = of_equal([value_sg[places] for places in sets], float(value_sg.mean()))
            tally.add(**verdict, missed=1 - verdict["kept"])
        tallies.append(tally)
    cells = [_cell(tallies, name, kept, 3) for name in SHARES.values()]
    return [str(seeds), str(ratios), *cells, *(_cell(tallies, name, kept, 4) for name in FIGURES.values())]


def _cell(tallies: Sequence[Tally], name: str, kept: int, digits: int) -> str:
    """The mean rate and its standard error, from how much the choices of trainings differ in it."""
    rate_c = np.array([tally.mean(name) for tally in tallies])
    of_drawing = float(np.mean([tally.error(name) ** 2 for tally in tallies]))
    trainings = kept * LEFT_OUT / (LEFT_OUT - 1)
    of_trainings = kept / (trainings - kept) * max(0.0, float(rate_c.var(ddof=1)) - of_drawing)
    error = (of_trainings + of_drawing / len(tallies)) ** 0.5
    return f"{rate_c.mean():.{digits}f} ± {error:.{digits}f}"
