"""What all settings share: immutable sections, names, languages and their tiers."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from sweep.errors import shortened
from sweep.settings.language import language_setting


def matching(pattern: str, meaning: str) -> AfterValidator:
    """Texts that match a pattern as a whole; a message has its meaning, in words, in its place."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text):
            return text
        raise PydanticCustomError("pattern", "{meaning}", {"meaning": meaning})

    return AfterValidator(check)


Language = Annotated[str, BeforeValidator(language_setting)]  # "zh-Hant" and "zho_Hant" are both "zh_Hant"


Positive = Annotated[int, Field(ge=1)]


Probability = Annotated[float, Field(ge=0, le=1)]


Name = Annotated[
    str,
    matching("[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, '.', '_', '-', the first a letter or digit"),
]


LONGEST_NAME = 200  # bytes of a folder's name, with room for what is written beside it
RESERVED = (
    "default",
    "mlartifacts",
    "mlflow.db",
    "mlflow.db.lock",
)  # beside the studies, and MLflow's own experiment


def _checked_name(name: str) -> str:
    name = normalize("NFC", name)
    fix = "choose another name, of letters, digits, '.', '_' and '-'"
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{shortened(repr(name))} cannot be the name of a folder and of an experiment; {fix}")
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"{shortened(repr(name))} is too long ({len(name.encode())} bytes of {LONGEST_NAME}); {fix}")
    if name.casefold() in RESERVED:
        raise ValueError(f"'{name}' is taken by MLflow; {fix}")
    return name


# Of a study: letters of any script, composed, so that the same name is the same folder everywhere.
StudyName = Annotated[str, AfterValidator(_checked_name)]


class Section(BaseModel):
    """Base of all settings: immutable, strict about types, unknown keys refused, no NaN or infinity."""

    # Inputs may have passwords, of which pydantic's own messages would show a part that nothing recognises.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )
    UNRELATED: ClassVar[frozenset[str]] = frozenset()  # fields that no result depends on
    ROUNDING: ClassVar[frozenset[str]] = frozenset()  # fields that change only how a result is rounded

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Fields as JSON has them, without those that no result depends on and those of `but`."""
        return self.model_dump(mode="json", exclude=set(self.UNRELATED | but))

    def fingerprint(self, but: frozenset[str] = frozenset()) -> str:
        """SHA-256 (hex) of the canonical JSON form: equal settings, equal fingerprint, in any process."""
        text = json.dumps(self.plain(but), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


class PathSettings(Section):
    """Where results and caches lie. `cache: null` is the user's cache folder."""

    sweeps: str
    cache: str | None


class Tiers(Section):
    """Resource tiers of languages; a language in none of them belongs to no resource tier."""

    high: tuple[Language, ...] = ()
    mid: tuple[Language, ...] = ()
    low: tuple[Language, ...] = ()

    def of(self, language: str) -> str | None:
        """The tier's name of one language, or None."""
        for name in ("high", "mid", "low"):
            if language in getattr(self, name):
                return name
        return None

    @model_validator(mode="after")
    def _disjoint(self) -> "Tiers":
        listed = (*self.high, *self.mid, *self.low)
        twice = sorted({code for code in listed if listed.count(code) > 1})
        if twice:
            raise ValueError(f"a language may be listed once only, not twice: {', '.join(twice)}")
        return self


class LanguageSettings(Section):
    """The language grid: trained on, evaluated on (null: all of the benchmark's), tiers (null: the benchmark's)."""

    train: tuple[Language, ...]
    evaluate: tuple[Language, ...] | None
    tiers: Tiers | None

    @model_validator(mode="after")
    def _no_repeats(self) -> "LanguageSettings":
        for field, codes in (("train", self.train), ("evaluate", self.evaluate or ())):
            twice = sorted({code for code in codes if codes.count(code) > 1})
            if twice:
                raise ValueError(f"languages.{field} lists a language twice: {', '.join(twice)}")
        return self


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as config path -> value."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
