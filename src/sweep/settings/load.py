"""Settings of a study, of one of its points, of a saved study, and of an evaluation."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from sweep.errors import InputError
from sweep.settings import EvaluateSettings, Settings
from sweep.settings.checks import STUDY_CHECKS
from sweep.settings.compose import Composer
from sweep.settings.earlier import completed
from sweep.settings.validate import validated


def load_settings(composer: Composer, point: dict[str, Any] | None = None) -> Settings:
    """Settings of a study, or of one point of it. Raises InputError."""
    settings = validated(composer.compose(point), Settings)
    for check in STUDY_CHECKS:
        problem = check(settings)
        if problem:
            raise InputError(problem)
    return settings


def saved_settings(file: Path) -> Settings:
    """Settings of a study as its `config.yaml` has them, that of an earlier version included. Raises InputError if
    they are of neither."""
    try:
        config = OmegaConf.create(file.read_text())
        if not isinstance(config, DictConfig):
            raise InputError("it is not a study's configuration")
        return validated(completed(config), Settings)
    except (InputError, YAMLError) as error:
        raise InputError(f"{file}: {error}") from error


def load_evaluate_settings(composer: Composer) -> EvaluateSettings:
    """Settings of `python -m sweep.evaluate`. Raises InputError."""
    return validated(composer.compose(), EvaluateSettings)
