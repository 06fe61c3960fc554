"""The smooth curve through the figures of several ratios, and where its optimum lies."""

import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest

from sweep.statistics.smooth import AMPLITUDES, GRID, LENGTHS, Better, _Fit, by_questions, smooth_curve

FIVE = (0.0, 0.25, 0.5, 0.75, 1.0)


def values(
    rng: np.random.Generator, optimum: float, ratios: Sequence[float] = FIVE, seeds: int = 3, noise: float = 0.01
) -> tuple[list[float], list[float]]:
    """A parabola with this optimum, .5 high."""
    ratio_n = np.repeat(ratios, seeds)
    value_n = 0.5 - 0.3 * (ratio_n - optimum) ** 2 + rng.normal(0, noise, len(ratio_n))
    return ratio_n.tolist(), value_n.tolist()


def test_the_planted_optimum_and_curve_are_in_their_intervals() -> None:
    rng = np.random.default_rng(0)
    holds, inside, widths = [], [], []
    for _ in range(25):
        optimum = rng.uniform(0.1, 0.9)
        curve = smooth_curve(*values(rng, optimum))
        assert curve is not None
        low, high = curve.optimum_interval
        holds.append(low <= optimum <= high)
        widths.append(high - low)
        true_x = 0.5 - 0.3 * (np.array(curve.ratios) - optimum) ** 2
        inside.append(np.mean((true_x >= curve.low) & (true_x <= curve.high)))
    assert np.mean(holds) >= 0.88
    assert np.mean(inside) >= 0.88
    assert np.mean(widths) < 0.6


def test_where_nothing_differs_the_optimum_may_be_anywhere() -> None:
    rng = np.random.default_rng(1)
    curve = smooth_curve(np.repeat(FIVE, 3).tolist(), rng.normal(0.5, 0.02, 15).tolist())
    assert curve is not None
    assert curve.optimum_interval[1] - curve.optimum_interval[0] > 0.9


def test_fields_of_the_curve() -> None:
    ratios, figures = values(np.random.default_rng(2), 0.4, ratios=(0.1, 0.25, 0.5, 0.9))
    curve = smooth_curve(ratios, figures)
    assert curve is not None
    assert len(curve.ratios) == len(curve.mean) == len(curve.low) == len(curve.high) == GRID
    assert (curve.ratios[0], curve.ratios[-1]) == (0.1, 0.9)  # nothing is drawn where nothing was trained
    assert all(low < mean < high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))
    assert curve.optimum_interval[0] <= curve.optimum <= curve.optimum_interval[1]
    assert curve.mean[curve.ratios.index(curve.optimum)] == max(curve.mean)


def test_the_same_values_in_any_order_give_the_same_curve() -> None:
    ratios, figures = values(np.random.default_rng(3), 0.4)
    first = smooth_curve(ratios, figures)
    assert first == smooth_curve(ratios, figures)
    turned = smooth_curve(ratios[::-1], figures[::-1])
    assert first is not None
    assert turned is not None
    assert turned.mean == pytest.approx(first.mean)
    assert turned.optimum_interval == pytest.approx(first.optimum_interval, abs=0.011)


@pytest.mark.parametrize(("better", "target", "optimum"), [("lower", None, 0.6), ("target", 0.2, 0.6)])
def test_the_optimum_is_where_the_metric_is_best(better: Better, target: float | None, optimum: float) -> None:
    ratios, figures = values(np.random.default_rng(4), optimum, noise=0.002)
    curve = smooth_curve(ratios, [0.7 - figure for figure in figures], better, target=target)  # 0.2 at the optimum
    assert curve is not None
    assert curve.optimum == pytest.approx(optimum, abs=0.06)


def test_size_of_the_figures_does_not_matter() -> None:
    ratios, figures = values(np.random.default_rng(5), 0.4)
    curve, large = smooth_curve(ratios, figures), smooth_curve(ratios, [100 + 1000 * figure for figure in figures])
    assert curve is not None
    assert large is not None
    assert large.optimum_interval == pytest.approx(curve.optimum_interval, abs=0.011)
    assert large.mean == pytest.approx([100 + 1000 * mean for mean in curve.mean], rel=1e-3)


def test_seeds_that_are_all_alike_and_ratios_that_are() -> None:
    exact = smooth_curve(np.repeat(FIVE, 2).tolist(), np.repeat([0.1, 0.2, 0.4, 0.2, 0.1], 2).tolist())
    assert exact is not None
    assert exact.mean[::25] == pytest.approx([0.1, 0.2, 0.4, 0.2, 0.1], abs=0.01)
    flat = smooth_curve(np.repeat(FIVE, 2).tolist(), [0.5] * 10)
    assert flat is not None
    assert flat.mean == pytest.approx([0.5] * GRID)


@pytest.mark.parametrize(
    ("ratios", "figures"),
    [([], []), ((0, 0, 0.5, 0.5, 1, 1), (1, 2, 1, 2, 1, 2)), (FIVE, FIVE), ((0, 0, 0.5, 0.5, 1, 1, 0.7), [1] * 7)],
    ids=["nothing", "three ratios", "one seed", "a fourth with one seed"],
)
def test_too_few_have_no_curve(ratios: Sequence[float], figures: Sequence[float]) -> None:
    assert smooth_curve(ratios, figures) is None


def test_what_cannot_be_a_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        smooth_curve([0, 1], [float("nan"), 1])
    with pytest.raises(ValueError, match="needs the target"):
        smooth_curve([0, 1], [1, 1], "target")


def test_questions_that_ratios_do_not_share_open_the_interval() -> None:
    rng = np.random.default_rng(6)
    systems = [
        rng.normal(0, 0.2, (1, 50)) * 0 + rng.normal(0, 0.1, (1, 50)) + rng.normal(0, 0.05, (4, 50)) for _ in range(5)
    ]
    shared = rng.normal(0, 3, 50)
    assert by_questions([value_sg + shared for value_sg in systems]) == pytest.approx(0.1**2 / 50, rel=0.3)
    assert by_questions([shared + rng.normal(0, 1, (4, 50)) for _ in range(5)]) < 0.1 / 50
    assert by_questions(systems[:1]) == 0.0
    ratios, figures = values(rng, 0.4)
    narrow, wide = smooth_curve(ratios, figures), smooth_curve(ratios, figures, question_variance=0.02**2)
    assert narrow is not None
    assert wide is not None
    assert np.ptp(wide.optimum_interval) > np.ptp(narrow.optimum_interval)


def test_a_curve_takes_little_time() -> None:
    ratios, figures = values(np.random.default_rng(7), 0.4, ratios=tuple(np.linspace(0, 1, 21)), seeds=5)
    smooth_curve(ratios, figures)  # imports
    before = time.process_time()
    smooth_curve(ratios, figures)
    assert time.process_time() - before < 0.6  # .06 on a quiet machine


@pytest.mark.parametrize("length", LENGTHS)
def test_every_process_is_that_of_scikit_learn(length: float) -> None:
    """Its own code for what a library has: the library's import takes longer than all the curves of a report."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    rng = np.random.default_rng(5)
    ratio_r, ratio_x = np.sort(rng.random(7)), np.linspace(0, 1, 23)
    value_r, variance_r = rng.normal(0, 1, 7), rng.uniform(1e-3, 0.5, 7)
    for amplitude in AMPLITUDES:
        fit = _Fit(length, amplitude, ratio_r, value_r, variance_r)
        kernel = ConstantKernel(1.0) + ConstantKernel(amplitude**2) * Matern(length, nu=2.5)
        theirs = GaussianProcessRegressor(kernel, alpha=variance_r, optimizer=None).fit(ratio_r[:, None], value_r)
        mean_x, covariance_xx = theirs.predict(ratio_x[:, None], return_cov=True)
        constant = len(ratio_r) / 2 * np.log(2 * np.pi)
        assert fit.log_likelihood - constant == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-9)
        own_x, own_xx = fit.at(ratio_x)
        np.testing.assert_allclose(own_x, mean_x, rtol=0, atol=1e-9)
        np.testing.assert_allclose(own_xx, covariance_xx, rtol=0, atol=1e-9)


def test_a_curve_imports_no_scikit_learn() -> None:
    code = (
        "import sys; from sweep.statistics.smooth import smooth_curve; "
        "assert smooth_curve([0, .25, .5, 1] * 2, [.1, .2, .3, .2, .12, .2, .31, .22]) is not None; "
        "print(sorted(name for name in sys.modules if name.startswith('sklearn'))[:3])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
