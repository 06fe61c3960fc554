"""Settings of `python -m sweep.report`: which studies, in which form, and where to."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from sweep.settings.base import PathSettings, Section


def _as_text(name: Any) -> Any:
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else name  # study.names=[1,2]


class ChosenStudies(Section):
    """One study by its name, or several."""

    name: str | None
    names: tuple[Annotated[str, BeforeValidator(_as_text)], ...]


class WriteReportSettings(Section):
    """What is written of which studies. `output`: a file; null is stdout, or for html a place beside the studies."""

    paths: PathSettings
    study: ChosenStudies
    format: Literal["html", "markdown", "latex", "csv", "json"]
    output: str | None
