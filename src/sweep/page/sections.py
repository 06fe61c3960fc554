"""The sections of a study's page in the order in which they are read, each with its charts and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.answer.contents import StudyReport
from sweep.page.certain_tables import certainty_lines, certainty_tables
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import listed, slug
from sweep.page.fact_tables import cost_table, data_table, ended_table, version_table
from sweep.page.point_tables import front_table, points_tables
from sweep.settings.metric_key import MetricKey

ALIGNMENT = MetricKey("", "pooled", "alignment_consistency")


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        name: its address on the page, and of the template of what charts and tables cannot say, if there is one.
        title: its heading.
        lead: paragraphs before the charts.
        charts: each with its table behind it.
        tables: further ones.
        has_open_tables: the tables behind the charts are open.
    """

    name: str
    title: str
    lead: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[DataTable, ...] = ()
    has_open_tables: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.lead or self.charts or self.tables)


def sections_of(report: StudyReport, charts: Mapping[str, Sequence[Chart]]) -> list[Section]:
    """Those of a study that have content, or whose lack a reader would ask about."""

    def drawn(name: str) -> tuple[Chart, ...]:
        return tuple(charts.get(name, ()))

    sections = [
        Section("curves", "Over the ratios", _curves_lead(report), _main_ones_first(report, drawn("curves"))),
        _certainty(report),
        Section("points", "All figures", (), (), points_tables(report.answer)),
        Section("matrices", "Question language and passage language", _matrices_lead(report), drawn("matrices")),
        Section(
            "languages", "Language by language", _languages_lead(report), drawn("languages"), has_open_tables=True
        ),
        Section("moved", "Questions that moved", _moved_lead(report)),
        Section("pareto", "Several objectives", (), drawn("pareto"), front_table(report.answer)),
        Section("importance", "What mattered", _importance_lead(report), drawn("importance")),
        Section("learning", "Learning curves", (), drawn("learning")),
        Section("exposure", "What training saw", _exposure_lead(report), drawn("exposure")),
        Section("ended", "Trials without a result", (), (), ended_table(report)),
        Section("cost", "Cost", _cost_lead(report), (), cost_table(report)),
        Section("data", "Data", report.notes, (), data_table(report.answer)),
        Section("repeat", "How to repeat it", ("The command that started the study:",), (), version_table(report)),
    ]
    return [section for section in sections if not section.is_empty]


def _curves_lead(report: StudyReport) -> tuple[str, ...]:
    if not report.answer.points:
        if report.ended and report.state != "running":
            return ("No trial has finished, so there is no figure to draw; below is what the trials ended with.",)
        return ("No trial has finished yet, so there is no figure to draw.",)
    return (
        "α is the share of monolingual batches: 0 is only cross-lingual, 1 is only monolingual. Dots are means over "
        "seeds with 95 % intervals, small dots are single seeds, dashed lines are what needs no training.",
    )


def _main_ones_first(report: StudyReport, charts: Sequence[Chart]) -> tuple[Chart, ...]:
    """The metric that the study is to find the best of, for all languages and by tier, then alignment, then the
    rest."""
    objective = MetricKey.parse(report.answer.objectives[0].metric).whole
    first = [slug(str(key)) for key in (objective, ALIGNMENT.on(objective.benchmark))]
    return tuple(sorted(charts, key=lambda chart: [not chart.name.endswith(name) for name in first]))


def _certainty(report: StudyReport) -> Section:
    certainty = report.answer.certainty
    title = "How sure that is"
    if certainty.tables:
        objective = report.answer.objectives[0]
        lines = certainty_lines(certainty, objective)
        return Section("certainty", title, lines, (), certainty_tables(certainty, objective))
    if not report.answer.points:
        return Section("certainty", title)
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
            lines.append(f"Shown to be worse in {table.title}: {listed(worse)}.")
    return (*lines, "Every p is corrected for all languages of its table (Holm).")


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
    return ("The share of the objective's variance between trials that each searched value explains.",)


def _exposure_lead(report: StudyReport) -> tuple[str, ...]:
    return ("Rows by language of question and passage, means over seeds.",) if report.exposure else ()


def _cost_lead(report: StudyReport) -> tuple[str, ...]:
    return ("Of the finished trials, all workers together.",) if report.cost.trials else ()
