"""Which script a language is written in, by CLDR's likely subtags."""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

log = logging.getLogger("sweep")


@cache
def script_of(language: str) -> str | None:
    """ISO 15924 code of the script that a language (ISO 639) is usually written in: "Latn" for "en", "Cyrl" for "ru".
    None for a language that CLDR does not know."""
    code, *rest = language.split("_")
    if rest and len(rest[0]) == 4:  # such as "zh_Hant_TW"
        return rest[0]
    likely = _likely_subtags().get(language) or _likely_subtags().get(code)  # "ru_Cyrl_RU"
    return None if likely is None else str(likely).split("_")[1]


@cache
def _likely_subtags() -> Mapping[str, Any]:
    """CLDR's table; empty, with a warning, where Babel is not installed: retrievers can be trained and evaluated with
    the packages of tests/gpu alone."""
    try:
        from babel.core import get_global
    except ModuleNotFoundError:
        log.warning("no figures by scripts: babel is not installed")
        return {}
    likely: Mapping[str, Any] = get_global("likely_subtags")
    return likely
