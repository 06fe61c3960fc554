"""`python -m sweep.compare`: is one system better than another, and how sure is that?"""

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.commands.command_line import console, run
from sweep.commands.result_files import is_trained, named, seeds, shared_benchmarks
from sweep.errors import InputError, SweepError
from sweep.records.cells import as_cell
from sweep.records.files import write_atomically
from sweep.report.narrow import Column, print_line, print_table
from sweep.settings.metric_key import MetricKey
from sweep.settings.reporting import DEFAULT_REPORT, WITH_MARGIN

if TYPE_CHECKING:
    from sweep.evaluation.comparison import Comparison, System

    Row = tuple[Comparison, float, float]  # and the figures of the reference and of the system

LEAST = 24  # characters of a name, before other columns are left out for it
# The columns and their ranks: those of the highest go first where there is no room; None: names.
COLUMNS = {
    "metric": None,
    "system": None,
    "reference": 2,
    "system's": 3,
    "difference": 0,
    "95 %": 1,
    "p": 5,
    "p (Holm)": 0,
    "p (equal)": 4,
}

EXAMPLES = """A result is a trial's folder, a file of ranks (ranks.parquet), or an output of python -m sweep.evaluate.
Seeds of one system are joined by commas; NAME= gives it a name. Of several benchmarks all that the results share are
compared, a table each.

examples:
  python -m sweep.compare base.json tuned.json
  T=sweeps/ratio_grid/trials
  python -m sweep.compare "mono=$T/ratio.monolingual=1,seed=0" "hybrid=$T/ratio.monolingual=0.5,seed=0" \\
      --metric pooled/alignment_consistency/low --metric mono/map --output comparison.csv
  python -m sweep.compare sweeps/reference/baselines/lir-* "hybrid=$T/ratio.monolingual=0.5,seed=0"
  python -m sweep.compare "alpha 0=A_seed0,A_seed1" "alpha 0.5=B_seed0,B_seed1"

p: two-sided t test over seeds and translation groups, paired by seed where the results' folders tell the seeds and
both systems have the same ones; Holm: corrected for all systems compared with the reference by that metric.
Intervals: 95 %, of the difference, from the same standard error. p (equal): two one-sided tests that mAP or
alignment_consistency differ by less than --margin; a large p of a difference is no evidence of equality. With one
seed a side p is of these two trained models, not of how they were trained. docs/statistics.md has the formulas."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m sweep.compare",
        description="Compare systems with a reference, question by question, from the ranks that evaluations leave.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("reference", help="the result that the others are compared with")
    parser.add_argument("others", nargs="+", metavar="other", help="results to compare with it")
    parser.add_argument(
        "--metric", action="append", metavar="KEY", help="as in metrics.json; of the first benchmark if it names none"
    )
    parser.add_argument(
        "--margin",
        type=_margin,
        default=DEFAULT_REPORT.margin,
        metavar="SIZE",
        help=f"differences within it count as none, in (0, 1]; default {DEFAULT_REPORT.margin:g}, as report.margin",
    )
    parser.add_argument("--output", metavar="FILE.csv", help="write the table there, too")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(argv)
    results = [options.reference, *options.others]
    return run(lambda: _compare(results, options.metric, options.margin, options.output), options.traceback)


def _margin(text: str) -> float:
    """Raises ArgumentTypeError, which argparse prints."""
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not 0 < margin <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not in (0, 1]")
    return margin


def _compare(results: list[str], metrics: list[str] | None, margin: float, output: str | None) -> int:
    given = [named(result) for result in results]
    names = [name for name, _ in given]
    if len(set(names)) != len(names):
        raise InputError(f"two results have the same name; give them names: NAME={results[0]}")
    shared = shared_benchmarks([files for _, files in given])
    rows: dict[str, list[Row]] = {}
    for benchmark, wanted in _wanted(metrics, list(shared)).items():
        reference, rows[benchmark] = _compared(names, shared[benchmark], wanted)
        _print(rows[benchmark], margin, reference.benchmark, reference.name, len(reference.groups))
    if output is not None:
        _write(rows, margin, Path(output))
    return 0


def _wanted(metrics: Sequence[str] | None, benchmarks: Sequence[str]) -> dict[str, list[str] | None]:
    """The metrics to compare on each benchmark: those that are asked for, of the first one unless they name another;
    None for the usual ones, on all of them."""
    if metrics is None:
        return dict.fromkeys(benchmarks)
    asked = [MetricKey.parse(metric).benchmark for metric in metrics]
    of_metric = [name if name in benchmarks else benchmarks[0] for name in asked]
    pairs = list(zip(metrics, of_metric, strict=True))
    return {name: [metric for metric, on in pairs if on == name] for name in benchmarks if name in of_metric}


def _compared(
    names: Sequence[str], files: Sequence[Sequence[Path]], metrics: Sequence[str] | None
) -> "tuple[System, list[Row]]":
    """The reference, which is the first one, and its comparison with all others on one benchmark."""
    from sweep.evaluation.comparison import compare, default_metrics, figure, load_system  # seconds

    reference, *others = (
        load_system(name, listed, seeds(listed), trained=is_trained(listed))
        for name, listed in zip(names, files, strict=True)
    )
    rows: list[Row] = []
    for metric in metrics or default_metrics(reference):
        base = figure(reference, metric).value
        rows += [(one, base, base + one.difference) for one in compare(reference, others, metric)]
    return reference, rows


def _p_equal(comparison: "Comparison", margin: float) -> float | None:
    """None for a metric that a margin is not for."""
    if MetricKey.within("", comparison.metric).metric not in WITH_MARGIN:
        return None
    return comparison.estimate.p_equivalent(margin)


def _print(rows: "list[Row]", margin: float, benchmark: str, reference: str, groups: int) -> None:
    from sweep.evaluation.metrics import digits_of

    cells: list[tuple[str, ...]] = []
    for comparison, base, value in rows:
        digits = digits_of(MetricKey.within(benchmark, comparison.metric))
        low, high = comparison.interval
        p_equal = _p_equal(comparison, margin)
        cells.append(
            (
                comparison.metric,
                comparison.system,
                f"{base:.{digits}f}",
                f"{value:.{digits}f}",
                f"{comparison.difference:+.{digits}f}",
                f"{low:+.{digits}f} to {high:+.{digits}f}",
                _p_text(comparison.p),
                _p_text(comparison.p_holm),
                "–" if p_equal is None else _p_text(p_equal),
            )
        )
    out = console()
    columns = [
        Column(title, texts, rank or 0, "left" if rank is None else "right", LEAST if rank is None else None)
        for (title, rank), texts in zip(COLUMNS.items(), zip(*cells, strict=True), strict=True)
    ]
    title = f"{benchmark}: {groups:,} translation groups; reference: {reference}"
    printed = print_table(out, columns, title, rest="--output FILE.csv writes all of it")
    has_margin = any(_p_equal(comparison, margin) is not None for comparison, *_ in rows)
    if has_margin and "p (equal)" in printed:
        print_line(out, f"p (equal): of two one-sided tests; small if the difference is within ±{margin:g}.")
    if any(not comparison.estimate.over_seeds for comparison, *_ in rows):
        print_line(out, "p compares these two trained models: with one seed nothing is known about others.")
    if any(comparison.estimate.approximate for comparison, *_ in rows):
        print_line(out, "Two seeds: approximate, the variance between seeds leans on that of all systems.")


def _p_text(p: float) -> str:
    """Four digits, and never that it is impossible or certain."""
    return "<0.0001" if p < 0.0001 else ">0.9999" if p > 0.9999 else f"{p:.4f}"


def _write(rows: "Mapping[str, list[Row]]", margin: float, file: Path) -> None:
    """One line a comparison. The metric's key has the benchmark before it where there are several."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["metric", "reference", "system", "reference_value", "system_value", "difference", "low", "high", "p"]
    writer.writerow([*columns, "p_holm", "margin", "p_equal"])
    listed = [(benchmark, *row) for benchmark, of_benchmark in rows.items() for row in of_benchmark]
    for benchmark, one, base, value in listed:
        metric = one.metric if len(rows) == 1 else str(MetricKey.within(benchmark, one.metric))
        names = metric, one.reference, one.system
        p_equal = _p_equal(one, margin)
        equal = ["", ""] if p_equal is None else [margin, p_equal]
        writer.writerow([*map(as_cell, names), base, value, one.difference, *one.interval, one.p, one.p_holm, *equal])
    try:
        write_atomically(file, text.getvalue())
    except OSError as error:
        raise SweepError(f"--output {file}: cannot be written ({error.strerror})") from error
