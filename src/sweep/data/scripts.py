"""Which script a language is written in, by CLDR's likely subtags."""

from functools import cache

from babel.core import get_global


@cache
def script_of(language: str) -> str | None:
    """ISO 15924 code of the script that a language (ISO 639) is usually written in: "Latn" for "en", "Cyrl" for "ru".
    None for a language that CLDR does not know."""
    code, *rest = language.split("_")
    if rest and len(rest[0]) == 4:  # such as "zh_Hant_TW"
        return rest[0]
    likely = get_global("likely_subtags").get(language) or get_global("likely_subtags").get(code)  # "ru_Cyrl_RU"
    return None if likely is None else str(likely).split("_")[1]
