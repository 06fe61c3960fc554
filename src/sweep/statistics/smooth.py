"""A smooth curve through the figures of several ratios, and where its optimum lies: a Gaussian process.

The figure of ratio x is f(x) plus noise of mean zero: f is a Gaussian process with a Matérn kernel (smoothness 5/2),
the noise is what seeds of one ratio differ by, pooled over ratios, divided by their number ("stochastic kriging":
Ankenman, Nelson and Staum 2010, Operations Research 58(2)). Length scale and amplitude are not chosen but averaged
over by their marginal likelihood, since a handful of ratios leaves both open (Rasmussen and Williams 2006, section
5.2). Shapes: n = values, r = different ratios, x = ratios of the grid, b = draws, s = seeds, g = translation groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from sweep.statistics.crossed import Values
from sweep.statistics.uncertainty import LEVEL, Interval

Better = Literal["higher", "lower", "target"]
FEWEST_RATIOS = 4  # with two seeds or more; three leave open whether a curve bends
GRID = 101  # ratios that the curve is given at
DRAWS = 2000  # curves that band and optimum are read from
LENGTHS = np.geomspace(0.15, 1.5, 7)  # of the span of the ratios: shorter is guessing, longer is a line
AMPLITUDES = np.geomspace(0.1, 4.0, 6)  # times the standard deviation of the ratios' means
LIKELY = 0.01  # a share of the draws below which a pair of length and amplitude is left out


@dataclass(frozen=True)
class Smooth:
    """The mean of the curve and its 95 % band at `ratios`, ascending from the smallest to the largest that was
    trained; the ratio of the mean curve's optimum, and the 95 % interval of where the optimum lies."""

    ratios: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    optimum: float
    optimum_interval: Interval


def smooth_curve(
    ratios_n: Sequence[float],
    values_n: Sequence[float],
    better: Better = "higher",
    *,
    target: float | None = None,
    question_variance: float = 0.0,
) -> Smooth | None:
    """The curve through one value for each ratio and seed, in any order; the same values give the same curve.

    Args:
        ratios_n: ratios in [0, 1].
        values_n: the figure of one seed at each.
        better: which optimum is looked for; "target": where the figure is nearest to `target`.
        question_variance: the variance of a ratio's mean that comes from the choice of questions (`by_questions`).
            With 0 the curve is that of these questions, and other ones might have their optimum elsewhere.

    Returns None unless FEWEST_RATIOS ratios have two seeds. What questions do to all ratios alike is in neither band
    nor optimum: it lifts the whole curve.

    Raises ValueError if a value is not finite, or "target" has no target.
    """
    ratio_n, value_n = np.asarray(ratios_n, float), np.asarray(values_n, float)
    if not (np.isfinite(ratio_n).all() and np.isfinite(value_n).all()):
        raise ValueError("ratios and values of a curve must be finite")
    if better == "target" and target is None:
        raise ValueError("a figure whose best is a target needs the target")
    ratio_r, place_n, count_r = np.unique(ratio_n, return_inverse=True, return_counts=True)
    if (count_r > 1).sum() < FEWEST_RATIOS:
        return None
    mean_r = np.bincount(place_n, value_n) / count_r
    noise_r = _noise(value_n - mean_r[place_n], count_r.astype(np.float64)) + question_variance
    ratio_x = np.linspace(ratio_r[0], ratio_r[-1], GRID)
    with threadpool_limits(1):  # matrices this small only wait for each other's threads
        mean_x, value_bx = _posterior(ratio_r, mean_r, noise_r, ratio_x)
    low_x, high_x = np.percentile(value_bx, _ENDS, axis=0)
    optimum_b = ratio_x[_losses(value_bx, better, target).argmin(1)]
    low, high = np.percentile(optimum_b, _ENDS, method="nearest")
    optimum = float(ratio_x[_losses(mean_x, better, target).argmin()])
    return Smooth(
        tuple(ratio_x.tolist()),
        tuple(mean_x.tolist()),
        tuple(low_x.tolist()),
        tuple(high_x.tolist()),
        optimum,
        (min(float(low), optimum), max(float(high), optimum)),
    )


def by_questions(systems: Sequence[Values]) -> float:
    """The variance of a ratio's mean that comes from the choice of questions and is not shared by other ratios: the
    mean square of ratios x groups over the groups, without what seeds x groups put into it. `systems`: the values
    (s, g) of every ratio."""
    mean_rg = np.stack([value_sg.mean(0) for value_sg in systems])
    ratios, groups = mean_rg.shape
    if ratios < 2 or groups < 2:
        return 0.0
    left_rg = mean_rg - mean_rg.mean(0) - mean_rg.mean(1, keepdims=True) + mean_rg.mean()
    both = float((left_rg**2).sum() / ((ratios - 1) * (groups - 1)))
    residual = float(np.mean([_residual(value_sg) for value_sg in systems]))
    return max(0.0, both - residual) / int(groups)


_ENDS = [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2]


def _residual(value_sg: Values) -> float:
    """The mean square of seeds x groups, as far as it is in a mean over the seeds."""
    seeds, groups = value_sg.shape
    if seeds < 2:
        return 0.0
    left_sg = value_sg - value_sg.mean(0) - value_sg.mean(1, keepdims=True) + value_sg.mean()
    return float((left_sg**2).sum() / ((seeds - 1) * (groups - 1) * seeds))


def _noise(left_n: Values, count_r: Values) -> Values:
    """The variance of every ratio's mean between seeds, pooled; larger by what Student's t is wider than the normal,
    because it was estimated from few."""
    from scipy.special import ndtri, stdtrit

    df = float((count_r - 1).sum())
    wider = float(stdtrit(df, (1 + LEVEL) / 2) / ndtri((1 + LEVEL) / 2)) ** 2
    return np.asarray(wider * float((left_n**2).sum()) / df / count_r)


def _posterior(ratio_r: Values, mean_r: Values, noise_r: Values, ratio_x: Values) -> tuple[Values, Values]:
    """The mean curve (x) and draws of curves (b, x)."""
    spread = float(mean_r.std(ddof=1)) or float(np.sqrt(noise_r.mean())) or 1.0
    span, centre = float(ratio_r[-1] - ratio_r[0]), float(mean_r.mean())
    floor = max(1e-6, 1e-6 * float(noise_r.max()) / spread**2)  # of a study whose seeds are all alike
    value_r, variance_r = (mean_r - centre) / spread, noise_r / spread**2 + floor
    fits = [
        _Fit(length * span, amplitude, ratio_r, value_r, variance_r) for length in LENGTHS for amplitude in AMPLITUDES
    ]
    likelihood = np.array([fit.log_likelihood for fit in fits])
    share = np.exp(likelihood - likelihood.max())
    share /= share.sum()
    share = np.where(share < LIKELY, 0.0, share)
    share /= share.sum()
    counts = np.floor(np.cumsum(share) * DRAWS + 0.5).astype(int)
    counts = np.diff(counts, prepend=0)
    rng = np.random.default_rng(0x5A00)
    mean_x, drawn = np.zeros(len(ratio_x)), []
    for fit, weight, count in zip(fits, share, counts, strict=True):
        if weight:
            own_x, covariance_xx = fit.at(ratio_x)
            mean_x += weight * own_x
            root_xx = np.linalg.cholesky(covariance_xx + 1e-9 * np.eye(len(ratio_x)))
            drawn.append(own_x + rng.standard_normal((count, len(ratio_x))) @ root_xx.T)
    return centre + spread * mean_x, centre + spread * np.concatenate(drawn)


class _Fit:
    """One process with these settings; its level is open. Rasmussen and Williams 2006, algorithm 2.1: scikit-learn's
    `GaussianProcessRegressor` gives the same, and its import alone takes longer than all the curves of a report."""

    def __init__(self, length: float, amplitude: float, ratio_r: Values, value_r: Values, variance_r: Values) -> None:
        from scipy.linalg import cho_solve

        self._length, self._amplitude, self._ratio_r = length, amplitude, ratio_r
        self._root_rr = np.linalg.cholesky(self._kernel(ratio_r, ratio_r) + np.diag(variance_r))
        self._weight_r = cho_solve((self._root_rr, True), value_r)
        self.log_likelihood = -0.5 * float(value_r @ self._weight_r) - float(np.log(np.diag(self._root_rr)).sum())

    def at(self, ratio_x: Values) -> tuple[Values, Values]:
        """Mean (x) and covariance (x, x) of the curve."""
        from scipy.linalg import solve_triangular

        kernel_xr = self._kernel(ratio_x, self._ratio_r)
        explained_rx = solve_triangular(self._root_rr, kernel_xr.T, lower=True)
        return kernel_xr @ self._weight_r, self._kernel(ratio_x, ratio_x) - explained_rx.T @ explained_rx

    def _kernel(self, one_n: Values, other_m: Values) -> Values:
        """Matérn 5/2, and the level's variance of 1."""
        distance_nm = np.sqrt(5) * np.abs(one_n[:, None] - other_m) / self._length
        return np.asarray(1 + self._amplitude**2 * (1 + distance_nm + distance_nm**2 / 3) * np.exp(-distance_nm))


def _losses(value_bx: Values, better: Better, target: float | None) -> Values:
    """Smallest at the optimum."""
    if better == "target" and target is not None:
        return np.abs(value_bx - target)
    return value_bx if better == "lower" else -value_bx
