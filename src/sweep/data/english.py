"""English names of languages, for people to read, and the languages that such names are for.

Names are those of CLDR; what CLDR does not name is called what the registry of BCP 47 calls it.
"""

from functools import cache

from babel import Locale
from langcodes.registry_parser import parse_registry

from sweep.settings.language import language_name

ALSO = {"mandarin": "zh", "farsi": "fa"}  # usual in names of data sets, and in neither list


@cache
def english_name(language: str) -> str:
    """ "Swahili" for sw, "Chinese (Traditional Han, Taiwan)" for zh_Hant_TW; the code itself if it has no name."""
    code, *parts = language.split("_")
    name = _cldr().languages.get(code) or next(iter(_registry().get(code, ())), language)
    named = [(_cldr().scripts if len(part) == 4 else _cldr().territories).get(part, part) for part in parts]
    return f"{name} ({', '.join(named)})" if named else str(name)


def with_name(language: str) -> str:
    """A code with its name, as lists show it: "sw Swahili"."""
    name = english_name(language)
    return language if name == language else f"{language} {name}"


def language_called(name: str) -> str:
    """The language of an English name in whatever case, such as "chinese" or "Modern Greek". Raises ValueError for
    none, and for a name that several languages have."""
    wanted = name.strip().casefold()
    if wanted in ALSO:
        return ALSO[wanted]
    for names in (_by_cldr_name, _by_registered_name):
        codes = names().get(wanted, frozenset())
        if len(codes) == 1:
            return next(iter(codes))
        if codes:
            raise ValueError(
                f"'{name[:40]}' is the name of several languages: {', '.join(sorted(codes))}; write a code"
            )
    raise ValueError(f"'{name[:40]}' is no English name of a language; write an ISO 639 code, such as sw")


@cache
def _cldr() -> Locale:
    return Locale("en")


@cache
def _registry() -> dict[str, tuple[str, ...]]:
    """The names of each language that BCP 47 has a code of."""
    registry = parse_registry()  # type: ignore[no-untyped-call]
    entries = (entry for entry in registry if entry.get("Type") == "language")
    return {
        str(entry["Subtag"]): tuple(name.removesuffix(" (macrolanguage)") for name in entry["Description"])
        for entry in entries
        if "Deprecated" not in entry
    }


def _codes_by_name(pairs: list[tuple[str, str]]) -> dict[str, frozenset[str]]:
    codes: dict[str, set[str]] = {}
    for code, name in pairs:
        try:
            codes.setdefault(name.casefold(), set()).add(language_name(code))
        except ValueError:
            continue  # such as "und", the unknown language
    return {name: frozenset(known) for name, known in codes.items()}


@cache
def _by_cldr_name() -> dict[str, frozenset[str]]:
    return _codes_by_name(list(_cldr().languages.items()))


@cache
def _by_registered_name() -> dict[str, frozenset[str]]:
    return _codes_by_name([(code, name) for code, names in _registry().items() for name in names])
