"""Where a study that its folder knows is to be tracked: no place outside is asked unless the command names it."""

from pathlib import Path

from sweep.answer.opened import Study, with_environment
from sweep.errors import InputError
from sweep.settings import JsonLinesTracking, TrackingSettings
from sweep.settings.tracking import TrackingUri
from sweep.tracking.protocol import Place
from sweep.tracking.registry import place_of


def tracked_at(study: Study, tracking: str | None) -> Place:
    """Where a study is to be tracked: where its folder says if that is within the sweeps folder, or else where the
    command says. Raises InputError."""
    settings = study.settings.tracking
    is_file = isinstance(settings, JsonLinesTracking)
    if tracking is not None:
        text = with_environment("--tracking", tracking)
        settings = settings.model_copy(update={"path": text} if is_file else {"uri": TrackingUri(text)})
    place, sweeps = place_of(settings, study.folder), study.folder.path.parent
    if tracking is None and not _is_within(settings, sweeps.resolve()):
        raise InputError(
            f"its tracker is outside of {sweeps}, at {place.name}: to send what is there give the "
            "place that you know, --tracking " + ("FILE" if is_file else "URI")
        )
    if problem := place.problem():
        raise InputError(problem)
    return place


def _is_within(settings: TrackingSettings, sweeps: Path) -> bool:
    """Whether what is tracked goes to a file in this folder, which holds nothing but studies."""
    if isinstance(settings, JsonLinesTracking):
        return settings.path is None or Path(settings.path).resolve().is_relative_to(sweeps)
    if settings.uri is None:
        return True
    kind, slashes, file = settings.uri.get_secret_value().partition(":///")  # options may name another file
    return (kind, slashes) == ("sqlite", ":///") and "?" not in file and Path(file).resolve().is_relative_to(sweeps)
