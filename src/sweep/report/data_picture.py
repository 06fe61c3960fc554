"""What is known of training data, as a picture: the pairs of languages, and the lengths of texts."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.inspection import QUANTILES, DataReport, LanguageReport, RoleReport
from sweep.errors import InputError, shortened
from sweep.records.files import replacing_file
from sweep.report.plain_console import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")
MOST_NUMBERS = 16  # languages of a matrix with its numbers written in it
LONGEST_NAME = 24  # characters
MOST_NAMES = 120  # languages that are named at an axis
WIDE, NARROW = 0.48, 0.17  # inches of a row, with numbers and without
SIDES = 1.9, 24.0  # inches of the matrix, at least and at most
LENGTHS, NAMES = 3.4, 1.6  # inches of a column of lengths, and of the names of languages
COLOURS = {"questions": "#1f6fb4", "passages": "#c8641b"}


def check_picture(file: Path) -> None:
    """Raise InputError if no picture can be written there."""
    if file.suffix not in FORMATS:
        raise InputError(f"picture={file}: its name must end in {' or '.join(FORMATS)}")
    if file.is_dir() or not file.resolve().parent.is_dir():
        raise InputError(f"picture={file}: must be a file in a folder that exists")


def write_picture(report: DataReport, file: Path) -> None:
    """Write a PNG or SVG file, by its name. Raises InputError if there is nothing to draw."""
    if not report.languages:
        raise InputError(f"picture={file}: there is no row to draw")
    import matplotlib  # most of a second, and only pictures need it

    style: dict[Any, Any] = {
        "text.parse_math": False,
        "font.size": 8.0,
        "svg.hashsalt": "sweep",
        "axes.titlesize": 9.0,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph ", UserWarning)  # a title in a script that the font lacks
        figure = _figure(report)
        content = io.BytesIO()
        about: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
        figure.savefig(content, format=file.suffix[1:], dpi=130, metadata=about)
    with replacing_file(file) as draft:
        draft.write_bytes(content.getvalue())


def _figure(report: DataReport) -> "Figure":
    from matplotlib.figure import Figure

    languages = len(report.languages)
    side = min(max(SIDES[0], languages * (WIDE if languages <= MOST_NUMBERS else NARROW)), SIDES[1])
    figure = Figure((side + NAMES + 2 * LENGTHS + 1, side + 1.4), layout="constrained", facecolor="white")
    figure.suptitle(
        f"{shown(shortened(report.title))}: {report.rows:,} rows, {report.groups:,} groups, {languages} languages",
        fontsize=10,
    )
    matrix, *lengths = figure.subplots(1, 3, width_ratios=[side, LENGTHS, LENGTHS])
    _draw_pairs(matrix, report, figure)
    for place, (axes, noun) in enumerate(zip(lengths, COLOURS, strict=True)):
        _draw_lengths(axes, noun, [getattr(one, noun) for one in report.languages], report, place)
    return figure


def _draw_pairs(axes: "Axes", report: DataReport, figure: "Figure") -> None:
    pairs_ll, codes = report.pairs_ll, [shown(one.code) for one in report.languages]
    some_ll = np.ma.masked_equal(pairs_ll, 0)
    image = axes.imshow(some_ll, cmap="Blues", vmin=0, vmax=max(1, pairs_ll.max()), aspect="auto")
    axes.set_facecolor("#e6e6e6")
    axes.set_title("groups with both" + (" (grey: none)" if (pairs_ll == 0).any() else ""))
    axes.set_xlabel("language of the passage")
    axes.set_ylabel("language of the question")
    if len(codes) <= MOST_NAMES:
        axes.set_xticks(range(len(codes)), codes, rotation=90 if len(codes) > MOST_NUMBERS else 0)
        axes.set_yticks(range(len(codes)), [shown(_named(one)) for one in report.languages])
    between, ends = np.arange(1, len(codes)) - 0.5, (-0.5, len(codes) - 0.5)
    axes.hlines(between, *ends, color="white", linewidth=0.5)
    axes.vlines(between, *ends, color="white", linewidth=0.5)
    axes.set(xlim=ends, ylim=ends[::-1])
    axes.tick_params(length=0, labelsize=8 if len(codes) <= MOST_NUMBERS else 7)
    if len(codes) > MOST_NUMBERS:
        figure.colorbar(image, ax=axes, shrink=0.5, aspect=30, pad=0.02, format=lambda value, _: _short(value))
        return
    for (row, column), groups in np.ndenumerate(pairs_ll):
        dark = groups > 0.6 * pairs_ll.max()
        number = _short(int(groups)) if groups else ""
        axes.text(column, row, number, ha="center", va="center", color="white" if dark else "#222222", fontsize=7)


def _draw_lengths(axes: "Axes", noun: str, roles: Sequence[RoleReport], report: DataReport, place: int) -> None:
    """A line from 5 to 95 %, a bar of the middle half, a stroke at the median, a point at the longest."""
    from matplotlib.ticker import LogLocator, NullLocator

    of_roles = [role.characters if report.limits is None else role.tokens for role in roles]
    drawn = [(row, lengths) for row, lengths in enumerate(of_roles) if lengths is not None]
    rows = np.array([row for row, _ in drawn])
    lengths = np.array([lengths for _, lengths in drawn], float).reshape(-1, len(QUANTILES))
    q05, q25, median, q75, q95, longest = np.maximum(lengths, 1).T  # an empty text has no place on a log scale
    axes.hlines(rows, q05, q95, color=COLOURS[noun], linewidth=1)
    axes.barh(rows, q75 - q25, left=q25, height=0.6, color=COLOURS[noun], alpha=0.55)
    axes.vlines(median, rows - 0.3, rows + 0.3, color="black", linewidth=1.2)
    axes.scatter(longest, rows, marker=".", s=9, color=COLOURS[noun])
    if report.limits is not None:
        axes.axvline(report.limits[place], color="crimson", linewidth=1, linestyle="--")
        axes.annotate(
            f"cut at {report.limits[place]:,}", (report.limits[place], 1), xycoords=("data", "axes fraction"),
            xytext=(-2, -2), textcoords="offset points", va="top", ha="right", color="crimson", fontsize=7,
        )  # fmt: skip
    unit = "characters" if report.model is None else "tokens"
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{unit} (log scale)")
    axes.set_title(f"{noun}: median, middle half, 5 to 95 %, longest")
    axes.set_yticks([])
    axes.set_ylim(len(roles) - 0.5, -0.5)
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _named(language: LanguageReport) -> str:
    """The name and the code, or the code alone."""
    name = language.name if len(language.name) <= LONGEST_NAME else f"{language.name[: LONGEST_NAME - 1]}…"
    return language.code if name == language.code else f"{name}  {language.code}"


def _short(number: float) -> str:
    """A number in few characters: 9,500, 12k, 3.4M."""
    if number < 10_000:
        return f"{number:,.0f}"
    size, unit = (1e6, "M") if number >= 1e6 else (1e3, "k")
    return f"{number / size:.1f}{unit}" if number < 10 * size else f"{number / size:.0f}{unit}"
