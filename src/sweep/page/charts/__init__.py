"""What a report draws, as Vega-Lite specifications with their data inside."""

from sweep.page.charts.of_report import SECTIONS, best_ratio, charts_of

__all__ = ["SECTIONS", "best_ratio", "charts_of"]
