"""Each language under two ratios: which of them gain, and which get worse."""

from dataclasses import replace

from sweep.answer.contents import LanguageRow, LanguageTable
from sweep.answer.ranked_points import Benchmarked, benchmarks_of, combinations_shown, contrast_of, ratio_name
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems
from sweep.data.english import english_name
from sweep.evaluation.comparison import Comparison, System, difference
from sweep.evaluation.figures import values_or_none
from sweep.evaluation.metrics import metric_of
from sweep.evaluation.parts import RESOURCES
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.metric_key import MetricKey
from sweep.statistics.uncertainty import LEVEL, holm

METRICS = ("mono/map", "pooled/map", "pooled/alignment_consistency")


def language_tables(
    folder: StudyFolder, answer: StudyAnswer, settings: Settings, systems: Systems
) -> tuple[LanguageTable, ...]:
    """The best ratio against the reference (`contrast_of`), a table for every benchmark and metric by language that
    it has. Holm's correction is over the languages of a table. The best ratio was chosen, so its gains are too high;
    with one seed nothing is said about ratios.

    Raises InputError for a damaged file of ranks, and if the two did not answer the same questions.
    """
    contrast = contrast_of(answer, combinations_shown(folder, answer, settings))
    if contrast is None or contrast.reference is None:
        return ()
    tables = []
    for benchmark in benchmarks_of(answer, settings):
        read = contrast.combination.systems(folder, benchmark, systems)
        if contrast.best in read and contrast.reference in read:
            for metric in METRICS:
                table = _table(benchmark, metric, read, contrast.best, contrast.reference)
                if table.rows:
                    tables.append(table)
    return tuple(tables)


def _table(
    benchmark: Benchmarked, metric: str, read: dict[float, System], best: float, reference: float
) -> LanguageTable:
    described = metric_of(MetricKey.parse(f"/{metric}"))
    family = f"{MetricKey.parse(f'/{metric}').family} " if len(described.families) > 1 else ""
    rows = []
    for language in sorted(read[best].languages):
        row = _row(benchmark, f"{metric}/{language}", language, read, best, reference)
        if row is not None:
            rows.append(row)
    corrected = holm([row.compared.p for row in rows if row.compared is not None])
    remaining = iter(corrected)
    judged = [
        row if row.compared is None else _judged(row, next(remaining), described.better == "lower") for row in rows
    ]
    return LanguageTable(
        metric=benchmark.key(metric),
        title=f"{family}{described.label}",
        digits=described.digits,
        name=ratio_name(best),
        reference_name=ratio_name(reference),
        rows=tuple(sorted(judged, key=lambda row: (-row.gain, row.language))),
    )


def _row(
    benchmark: Benchmarked, name: str, language: str, read: dict[float, System], best: float, reference: float
) -> LanguageRow | None:
    """One language, its comparison not corrected yet; None without a figure of both."""
    asked = benchmark.asked(name)
    values = {system: values_or_none(system, asked) for system in read.values()}
    value_sg = {system: own_sg for system, own_sg in values.items() if own_sg is not None}
    if read[best] not in value_sg or read[reference] not in value_sg:
        return None
    own_sg, other_sg = value_sg[read[best]], value_sg[read[reference]]
    compared = None
    if min(len(own_sg), len(other_sg)) > 1:
        one = difference(read[reference], read[best], value_sg)
        compared = Comparison(name, read[reference].name, read[best].name, one, one.p)
    figure, figure_of_reference = float(own_sg.mean()), float(other_sg.mean())
    return LanguageRow(
        language=language,
        name=english_name(language),
        tiers=_tiers(read[best], language),
        metric=benchmark.key(name),
        reference=figure_of_reference,
        figure=figure,
        gain=figure - figure_of_reference,
        compared=compared,
        verdict="not shown",
    )


def _judged(row: LanguageRow, p_holm: float, lower_is_better: bool) -> LanguageRow:
    """With the corrected p, and what it comes to."""
    assert row.compared is not None
    compared = replace(row.compared, p_holm=p_holm)
    if p_holm >= 1 - LEVEL or not compared.estimate.over_seeds or row.gain == 0:
        return replace(row, compared=compared)
    return replace(row, compared=compared, verdict="better" if (row.gain > 0) != lower_is_better else "worse")


def _tiers(system: System, language: str) -> tuple[str, ...]:
    """The names of its tiers, by resources first."""
    names = [*RESOURCES, *(tier for tier in system.tiers if tier not in RESOURCES)]
    return tuple(name for name in names if language in system.tiers.get(name, ()))
