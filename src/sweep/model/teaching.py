"""The encoder that `loss.teacher` names, if it is not the study's own."""

from typing import cast

from sweep.errors import InputError
from sweep.model.registry import check_encoder
from sweep.model.resolution import resolved_model
from sweep.settings import AUTO, DistillSettings, HfModel, Settings


def teacher_model(settings: Settings) -> HfModel | None:
    """The teacher as `model=hf` would have it, with what its folder says, and the study's lengths and precision. None
    if the loss has no teacher, or if that is the untouched encoder. Raises InputError naming `loss.teacher`."""
    loss, model = settings.loss, settings.model
    if not isinstance(loss, DistillSettings) or loss.other_teacher is None:
        return None
    asked = HfModel(
        kind="hf",
        path=loss.other_teacher,
        revision=None,
        trust_remote_code=False,
        pretrained_on=None,
        pooling=AUTO,
        head=AUTO,
        lower_case=AUTO,
        query_prefix=loss.teacher_query_prefix,
        passage_prefix=loss.teacher_passage_prefix,
        max_query_tokens=model.max_query_tokens,
        max_passage_tokens=model.max_passage_tokens,
        precision=model.precision,
        restrict_vocabulary=False,
        dropout=None,
        lora=None,
    )
    try:
        return cast(HfModel, resolved_model(asked))
    except InputError as error:
        raise _of_teacher(error) from error


def check_teacher(settings: Settings) -> None:
    """A quick look, before any trial starts, at whether the teacher can be loaded. Raises InputError naming
    `loss.teacher`."""
    model = teacher_model(settings)
    if model is None:
        return
    try:
        check_encoder(model)
    except InputError as error:
        raise _of_teacher(error) from error


def _of_teacher(error: InputError) -> InputError:
    return InputError(str(error).replace("model.path=", "loss.teacher=", 1))
