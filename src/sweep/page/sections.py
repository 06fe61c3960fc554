"""The sections of a study's page in the order in which they are read, each with its charts and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.answer.contents import StudyReport
from sweep.errors import shortened
from sweep.page.certain_tables import certainty_lines, certainty_tables, rival_tables
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import listed, slug
from sweep.page.charts.wording import spelled_out
from sweep.page.fact_tables import cost_table, data_table, ended_table, version_table
from sweep.page.point_tables import front_table, points_tables
from sweep.settings.metric_key import MetricKey

MOST_NAMED = 6  # kinds of charts, in what unfolds them
ALIGNMENT = MetricKey("", "pooled", "alignment_consistency")


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        name: its address on the page, and of the template of what charts and tables cannot say, if there is one.
        title: its heading.
        lead: paragraphs before the charts.
        charts: each with its table behind it.
        more: further charts, which a reader unfolds.
        tables: further ones.
        has_open_table: the table behind the first chart is open.
    """

    name: str
    title: str
    lead: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    more: tuple[Chart, ...] = ()
    tables: tuple[DataTable, ...] = ()
    has_open_table: bool = False

    @property
    def more_names(self) -> str:
        """What `more` is about."""
        titles = list(dict.fromkeys(shortened(chart.title.partition(",")[0]) for chart in self.more))
        return listed([*titles[:MOST_NAMED], "others"] if len(titles) > MOST_NAMED else titles)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.lead or self.charts or self.more or self.tables)


def sections_of(report: StudyReport, charts: Mapping[str, Sequence[Chart]]) -> list[Section]:
    """Those of a study that have content, or whose lack a reader would ask about."""

    def drawn(name: str) -> tuple[Chart, ...]:
        return tuple(charts.get(name, ()))

    ended = Section("ended", "Trials without a result", tables=ended_table(report))
    first, more = _main_ones(report, drawn("curves"))
    pairs, more_pairs = _of_first_benchmark(drawn("matrices"))
    sections = [
        Section("curves", "Over the ratios", _curves_lead(report), first, more),
        *([] if report.answer.points else [ended]),
        _certainty(report),
        Section("points", "All figures", tables=points_tables(report.answer)),
        Section("matrices", "Question language and passage language", _matrices_lead(report), pairs, more_pairs),
        Section(
            "languages", "Language by language", _languages_lead(report), drawn("languages"), has_open_table=True
        ),
        Section("moved", "Questions that moved", _moved_lead(report)),
        Section("pareto", "Several objectives", (), drawn("pareto"), tables=front_table(report.answer)),
        Section("importance", "What mattered", _importance_lead(report), drawn("importance")),
        Section("learning", "Learning curves", (), drawn("learning")),
        Section("exposure", "What training saw", _exposure_lead(report), drawn("exposure")),
        *([ended] if report.answer.points else []),
        Section("cost", "Cost", _cost_lead(report), tables=cost_table(report)),
        Section("data", "Data", report.notes, tables=data_table(report.answer)),
        Section(
            "repeat",
            "How to repeat it",
            ("The command that started the study:",),
            tables=version_table(report),
        ),
    ]
    return [section for section in sections if not section.is_empty]


def _curves_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.answer.points:
        if report.ended and report.state != "running":
            return ("No trial has finished, so there is no figure to draw; below is what the trials ended with.",)
        return ("No trial has finished yet, so there is no figure to draw.",)
    alpha = "α is the share of monolingual batches: 0 is only cross-lingual, 1 is only monolingual."
    dots = [dot for curve in report.curves for dot in curve.dots]
    certainty = report.answer.certainty
    if not dots and certainty.is_partial:
        return (
            f"{alpha} Curves are drawn for combinations of at most {certainty.most_trials:,} trials, and this study "
            "has none so small; the figures of its points are in the table below.",
        )
    if len({dot.ratio for dot in dots}) < 2:
        return (f"{alpha} With fewer than two ratios there is no curve; the figures are in the table below.",)
    if any(len(dot.seeds) > 1 for dot in dots):
        return (
            f"{alpha} Dots are means over seeds with 95 % intervals, small dots are single seeds, dashed lines are "
            "what needs no training.",
        )
    return (f"{alpha} Dots are of one seed, with 95 % intervals; dashed lines are what needs no training.",)


def _main_ones(report: StudyReport, charts: Sequence[Chart]) -> tuple[tuple[Chart, ...], tuple[Chart, ...]]:
    """First what the study is to find the best of, for all languages and by tier, then alignment, and what the ratio
    trades; and the rest."""
    objective = MetricKey.parse(report.answer.objectives[0].metric)
    alignment = ALIGNMENT.on(objective.benchmark)
    names = [f"curve-{slug(str(objective))}"]
    names += [f"{kind}-{slug(str(objective.whole))}" for kind in ("groups-tiers", "groups-others")]
    names += [f"{kind}-{slug(str(alignment))}" for kind in ("curve", "groups-tiers", "groups-others")]
    names.append(f"groups-pools-{slug(objective.benchmark)}-map")
    by_name = {chart.name: chart for chart in charts}
    first = [by_name[name] for name in dict.fromkeys(names) if name in by_name] or list(charts[:2])
    return tuple(first), tuple(chart for chart in charts if chart not in first)


def _of_first_benchmark(charts: Sequence[Chart]) -> tuple[tuple[Chart, ...], tuple[Chart, ...]]:
    """The heat maps of the first benchmark, and the rest."""
    name = charts[0].name.partition("-")[2] if charts else ""
    first = tuple(chart for chart in charts if chart.name.endswith(name))
    return first, tuple(chart for chart in charts if chart not in first)


def _certainty(report: StudyReport) -> Section:
    certainty = report.answer.certainty
    title = "How sure that is"
    if certainty.tables:
        objective = report.answer.objectives[0]
        lines = certainty_lines(certainty, objective)
        tables = *certainty_tables(certainty, objective), *rival_tables(report.answer.rivals, objective)
        return Section("certainty", title, lines, tables=tables)
    if not report.answer.points:
        return Section("certainty", title)
    if certainty.is_partial:
        line = f"Only combinations of at most {certainty.most_trials:,} trials are compared here, and there is none. "
        return Section("certainty", title, (f"{line}python -m sweep.compare compares any two trials.",))
    return Section(
        "certainty",
        title,
        ("Ratios are compared from the ranks of at least two of them, so nothing is compared here.",),
    )


def _matrices_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.pairs:
        return ()
    return ("Rows are the languages of questions, columns those of passages; on the diagonal both are the same.",)


def _languages_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.languages:
        return ()
    lines = []
    for table in report.languages:
        worse = [row.name for row in table.rows if row.verdict == "worse"]
        if worse:
            what = spelled_out(table.title)
            lines.append(f"Worse in {what} with {table.name} than with {table.reference_name}: {listed(worse)}.")
    return (
        *lines,
        "The ratio was chosen for its good mean, so its gains are flattered; every p is corrected for all "
        "languages of its table (Holm).",
    )


def _moved_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.moved:
        return ()
    first = report.moved[0]
    return (
        f"Where {first.after_name} differs most from {first.before_name}: the rank of the relevant passage that "
        "comes last among the passages of all languages. They were chosen for that: they say what changed, not how "
        "much.",
    )


def _importance_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.importance:
        return ()
    return (
        "The share of the objective's variance between points (means over seeds) that each searched value explains. "
        "Shares sum to 1 however much of it is chance: they are no test.",
    )


def _exposure_lead(report: StudyReport) -> tuple[str, ...]:
    return ("Rows by language of question and passage, means over seeds.",) if report.exposure else ()


def _cost_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.cost.trials:
        return ()
    return ("Of the finished trials, all workers together; of one that was resumed only its last attempt.",)
