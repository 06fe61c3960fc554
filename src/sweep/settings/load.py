"""Settings of a study, of one of its points, of a saved study, of an evaluation, of mining, and of a report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.errors import InputError
from sweep.settings import EvaluateSettings, ExportSettings, InspectSettings, MineSettings, Settings
from sweep.settings.checks import STUDY_CHECKS
from sweep.settings.chosen_studies import WriteReportSettings
from sweep.settings.compose import Composer
from sweep.settings.earlier import completed
from sweep.settings.saved_yaml import read_yaml
from sweep.settings.validate import validated, validated_plain


def load_settings(composer: Composer, point: dict[str, Any] | None = None) -> Settings:
    """Settings of a study, or of one point of it. Raises InputError."""
    settings = validated(composer.compose(point), Settings)
    for check in STUDY_CHECKS:
        problem = check(settings)
        if problem:
            raise InputError(problem)
    return settings


@dataclass(frozen=True)
class SavedSettings:
    """Settings of a study as its folder has them. `storage`: the server that its database is on, as it is written
    there, which is no reason to ask it anything; None for a file in the folder. `settings` have neither it nor the
    place of the artifacts."""

    settings: Settings
    storage: str | None


def saved_settings(file: Path) -> SavedSettings:
    """Settings of a study as its `config.yaml` has them, that of an earlier version included. They are plain data,
    whoever wrote them: no reference is resolved. Raises InputError if they are of neither."""
    plain = completed(read_yaml(file))
    study = plain["study"] if isinstance(plain["study"], dict) else {}
    storage = study.get("storage")
    elsewhere = {name: None for name in ("storage", "artifacts") if study.get(name) is not None}
    if elsewhere:
        plain["study"] = study | elsewhere
    try:
        return SavedSettings(validated_plain(plain, Settings), None if storage is None else str(storage))
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def load_evaluate_settings(composer: Composer) -> EvaluateSettings:
    """Settings of `python -m sweep.evaluate`. Raises InputError."""
    return validated(composer.compose(), EvaluateSettings)


def load_mine_settings(composer: Composer) -> MineSettings:
    """Settings of `python -m sweep.mine`. Raises InputError."""
    return validated(composer.compose(), MineSettings)


def load_inspect_settings(composer: Composer) -> InspectSettings:
    """Settings of `python -m sweep.data inspect`. Raises InputError."""
    return validated(composer.compose(), InspectSettings)


def load_export_settings(composer: Composer) -> ExportSettings:
    """Settings of `python -m sweep.data export`. Raises InputError."""
    return validated(composer.compose(), ExportSettings)


def load_write_report_settings(composer: Composer) -> WriteReportSettings:
    """Settings of `python -m sweep.report`. Raises InputError."""
    return validated(composer.compose(), WriteReportSettings)
