"""What training saw: the share of rows of every question language with every passage language."""

import math
from collections.abc import Sequence

from sweep.answer.contents import ExposureRow
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import finite, listed, text_of
from sweep.page.charts.heat_map import HeatMap, Matrix, heat_map
from sweep.page.charts.wording import capitalized

MOST_POINTS = 60  # to choose from; their shares are in the page
_TITLE = "Rows that training saw, by question and passage language"


def exposure_chart(rows: Sequence[ExposureRow], best: float) -> Chart | None:
    """A heat map of one point's rows, that of the `best` ratio first; None where nothing is known."""
    points: dict[str, list[ExposureRow]] = {}
    for row in rows:
        if finite([row.share]):
            points.setdefault(row.point, []).append(row)
    if not points:
        return None
    languages = _languages(rows)
    kept = dict(list(points.items())[:MOST_POINTS])
    names = _names(kept)
    shown = _chosen(kept, best)
    matrices = [(names[point], _shares(own, languages)) for point, own in kept.items()]
    one = HeatMap(languages, matrices, names[shown], None, "% of the rows", _digits(matrices), 3)
    spec = heat_map(one, ["Share of rows in %; 0: no such pair in training"])
    text = _description(names[shown], kept[shown])
    if len(points) > len(kept):
        text += f" {len(points) - len(kept)} more points cannot be chosen here."
    return Chart("exposure", _TITLE, text, spec, _table(names[shown], kept[shown]))


def _languages(rows: Sequence[ExposureRow]) -> list[str]:
    questions = dict.fromkeys(row.question_language for row in rows)
    return list(questions | dict.fromkeys(row.passage_language for row in rows))


def _names(points: dict[str, list[ExposureRow]]) -> dict[str, str]:
    """The ratio alone where that tells points apart."""
    ratios = [own[0].ratio for own in points.values()]
    if None in ratios or len(set(ratios)) < len(ratios):
        return {point: point or "the only point" for point in points}
    return {point: f"α = {own[0].ratio:g}" for point, own in points.items()}


def _chosen(points: dict[str, list[ExposureRow]], best: float) -> str:
    return min(points, key=lambda point: abs(ratio - best) if (ratio := points[point][0].ratio) is not None else 2)


def _shares(rows: Sequence[ExposureRow], languages: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    share = {(row.question_language, row.passage_language): 100 * row.share for row in rows}
    return tuple(tuple(share.get((one, other), 0.0) for other in languages) for one in languages)


def _digits(matrices: Sequence[Matrix]) -> int:
    """Enough to see the smallest shares, and at most two."""
    least = min((value for _, rows in matrices for row in rows for value in row if value > 0), default=1.0)
    return min(2, max(0, math.ceil(-math.log10(least))))


def _description(name: str, rows: Sequence[ExposureRow]) -> str:
    own = sum(row.share for row in rows if row.question_language == row.passage_language)
    by_language: dict[str, float] = {}
    for row in rows:
        by_language[row.question_language] = by_language.get(row.question_language, 0.0) + row.share
    most, least = (choose(by_language, key=lambda one: by_language[one]) for choose in (max, min))
    parts = [f"{capitalized(name)}: {own:.1%} of the rows have question and passage in one language."]
    if len(by_language) > 1:
        parts.append(f"Most questions are in {most} ({by_language[most]:.1%}), fewest in {least}")
        parts[-1] += f" ({by_language[least]:.1%})."
    left_out = listed(sorted({row.question_language for row in rows if row.left_out}))
    return " ".join(parts + ([f"Batches were left out of questions in {left_out}."] if left_out else []))


def _table(name: str, rows: Sequence[ExposureRow]) -> DataTable:
    ordered = sorted(rows, key=lambda row: -row.share)
    cells = tuple(
        (
            f"{row.question_language} → {row.passage_language}",
            text_of(row.rows, 0),
            f"{row.share:.2%}",
            text_of(row.batches, 1),
            text_of(row.small_batches, 1),
            text_of(row.left_out, 1),
        )
        for row in ordered
    )
    header = ("question → passage", "rows", "share", "batches", "small batches", "left out")
    return DataTable(f"What training saw at {name}, mean over seeds", header, cells, {})
