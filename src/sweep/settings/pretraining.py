"""What a pretrained encoder has read before anybody trains it here."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from sweep.settings.language import language_setting

KNOWN_PRETRAINING = ("xlmr", "mbert", "labse")


def _pretraining(value: object) -> Any:
    """One of the names, or the languages of a list, each once. Raises ValueError."""
    if isinstance(value, (list, tuple)):
        return tuple(dict.fromkeys(language_setting(code) for code in value))
    if value is None or value in ("auto", *KNOWN_PRETRAINING):
        return value
    raise ValueError(
        f"{value!r} is no pretraining known here; write auto, null, {', '.join(KNOWN_PRETRAINING)}, or a list"
    )


# auto: what the model's folder says for certain. A tuple names the languages themselves; None: not known.
Pretraining = Annotated[
    Literal["auto", "xlmr", "mbert", "labse"] | tuple[str, ...] | None, BeforeValidator(_pretraining)
]
