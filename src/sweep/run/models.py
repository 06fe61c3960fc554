"""The models of a study, looked at before any trial starts: whether they can be built, and what their folders say."""

from sweep.settings import ModelSettings, Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings


def models_of(settings: Settings, composer: Composer) -> tuple[ModelSettings, ...]:
    """The study's model as it is asked for, and those that its space has in its place, each once.

    Of a path that exists only under a condition, and of combinations, only a trial's own settings tell.
    """
    return tuple(dict.fromkeys(one.model for one in _with_ends(settings, composer, "model")))


def check_teachers(settings: Settings, composer: Composer) -> None:
    """Look at the teachers of the study's loss, and of those that its space has in its place. Raises InputError if
    one cannot be loaded."""
    taught = [one for one in _with_ends(settings, composer, "loss") if one.loss.kind == "distill"]
    if taught:
        from sweep.model.teaching import check_teacher  # imports transformers: seconds

        for one in taught:
            check_teacher(one)


def _with_ends(settings: Settings, composer: Composer, section: str) -> list[Settings]:
    """The study's settings, and those that its space has with another value in a section."""
    every = [load_settings(composer)]
    for path, dimension in settings.study.space.items():
        if path.partition(".")[0] == section and dimension.when is None:
            every += [load_settings(composer, {path: value}) for value in dimension.ends]
    return every


def checked_models(models: tuple[ModelSettings, ...]) -> tuple[str, ...]:
    """Lines for a reader: what each pretrained model is, and warnings where settings and its folder disagree.

    Raises InputError if one cannot be built.
    """
    pretrained = [model for model in models if model.pretrained]
    if not pretrained:
        return ()
    from sweep.model.registry import check_encoder  # imports transformers: seconds
    from sweep.model.resolution import model_lines, resolved_model

    lines: list[str] = []
    for model in pretrained:
        check_encoder(resolved_model(model))
        lines += model_lines(model)
    return tuple(dict.fromkeys(lines))
