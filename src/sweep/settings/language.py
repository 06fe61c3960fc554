"""One name for each language, however it is written: `zh-CN`, `pt_br`, `EN`, `zho_Hans`, `swh`, `iw`.

A name is an ISO 639 code, the shortest there is, behind it the script where it is not the language's usual one, and
the territory where one is given: `zh_CN`, `pt_BR`, `en`, `zh`, `sw`, `he`; `zh-Hant-TW` is `zh_Hant_TW`, and so is
`zh-TW`. Parts are joined by an underscore, as in CLDR, since a pair of languages is joined by a hyphen.
"""

import re
from functools import cache

_PLAIN = re.compile(r"[a-z]{2,3}")
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")
_PLACED = re.compile(r"[a-z]{3}-[A-Z]{2}")  # of NTREX: the German of Zurich is gsw-ZH, which is no territory


@cache
def language_name(text: str) -> str:
    """The name of the language that a tag is for. Raises ValueError if it is none of a language, script and
    territory."""
    from langcodes import Language, standardize_tag  # settings without languages are read without it

    problem = f"{text[:40]!r} is no language; write an ISO 639 code, such as sw, zh_Hant or pt_BR"
    if not _TAG.fullmatch(text):
        raise ValueError(problem)
    try:
        tag = Language.get(standardize_tag(text, macro=True))
    except ValueError as error:
        raise ValueError(problem) from error
    parts = {"language": tag.language, "script": tag.script, "territory": tag.territory}
    if not tag.language or tag.language == "und" or tag.to_dict() != {k: v for k, v in parts.items() if v}:
        raise ValueError(problem)
    script = tag.script
    if tag.territory and not script:
        script = tag.maximize().script
    usual = Language.make(language=tag.language).maximize().script
    return "_".join(filter(None, (tag.language, script if script != usual else None, tag.territory)))


def named_language(text: str) -> str | None:
    """The language that a file or folder of this name is in; None for a name that is no language."""
    from langcodes import tag_is_valid

    if not _TAG.fullmatch(text) or not (_PLAIN.fullmatch(text) or _PLACED.fullmatch(text) or tag_is_valid(text)):
        return None
    try:
        return language_name(text)
    except ValueError:
        return None


def language_setting(value: object) -> object:
    """A language of the settings by its name. Raises ValueError, with a hint at quotes for what YAML takes for
    something else than text."""
    if isinstance(value, bool):
        words = "yes, on or true" if value else "no, off or false"
        raise ValueError(f"a bare {words} is no text in YAML; put the language in quotes, such as 'no' for Norwegian")
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no language; write an ISO 639 code in quotes, such as 'no'")
    return language_name(value)
