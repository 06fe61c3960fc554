"""A study's report, or that of several studies, as one HTML page that needs nothing but itself.

Whatever comes from data, settings or errors is text: Jinja2 escapes it, data of charts stand in a script element that
is no script, and the page's policy lets no other script run than its own, and nothing be loaded.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from sweep.answer.contents import StudyReport
from sweep.page.chart import Chart
from sweep.page.charts import charts_of
from sweep.page.sections import sections_of
from sweep.page.side_by_side import charts_of_studies
from sweep.page.templating import json_for_script, render, script, style
from sweep.page.theme import vega_config
from sweep.page.vega_script import vega_script

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def report_page(report: StudyReport, cache: Path | None = None) -> str:
    """One study as a page. `cache`: where the script that draws charts is kept, the user's cache folder if none is
    named."""
    sections = sections_of(report, charts_of(report))
    charts = [chart for section in sections for chart in (*section.charts, *section.more)]
    contents = [("answer", "The answer"), *((section.name, section.title) for section in sections)]
    return _page("report.html", report.name, contents, charts, cache, report=report, sections=sections)


def studies_page(reports: Sequence[StudyReport], cache: Path | None = None) -> str:
    """Several studies side by side: what each says, and their figures over the ratios together. `cache` is as for
    `report_page`."""
    charts = charts_of_studies(reports)
    contents = [("answer", "The answers"), ("ratios", "Over the ratios")]
    return _page("studies.html", "Studies", contents, charts, cache, reports=reports, charts=charts)


def _page(
    template: str,
    title: str,
    contents: Sequence[tuple[str, str]],
    drawn: Sequence[Chart],
    cache: Path | None,
    **values: object,
) -> str:
    """A page from its template, with style, scripts and the data of its charts inside."""
    scripts = {"theme_script": script("theme.js"), "script": script("page.js")}
    if drawn:
        scripts["vega"] = Markup(vega_script(cache))
    specs = {chart.name: chart.spec for chart in drawn}
    configs = {theme: vega_config(theme) for theme in THEMES}
    return render(
        template,
        title=title,
        contents=contents,
        style=style(),
        policy=_policy(scripts.values()),
        has_charts=bool(drawn),
        chart_data=json_for_script({"specs": specs, "configs": configs}),
        **scripts,
        **values,
    )


def _policy(scripts: Iterable[str]) -> str:
    """A content security policy: these scripts, styles of the page (charts have some), and nothing from elsewhere.
    Vega compiles the expressions of charts, which is called eval."""
    digests = (base64.b64encode(hashlib.sha256(each.encode("utf-8")).digest()).decode() for each in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
