"""What the Unicode CLDR calls things in more than 100 languages. Names come with Babel: no download."""

from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

from babel import Locale, localedata
from babel.core import get_global

from sweep.data.scripts import script_of
from sweep.errors import InputError
from sweep.settings.wording import listed

Concept = tuple[str, str]  # kind, CLDR's code
Relation = Literal["names", "places"]

MIN_CONCEPTS = 250  # a language with fewer names of its own is not offered
SHARED_CHARACTERS = 3  # so long a string that a territory and its place have in common takes both out


class Term(NamedTuple):
    """What a concept is called in questions and in passages of one language."""

    question: str
    passage: str


Terms = dict[str, Term]  # by language


@cache
def available_languages() -> tuple[str, ...]:
    """Languages with enough concept names of their own, by ISO 639 code."""
    return tuple(sorted(filter(_is_available, localedata.locale_identifiers())))


@cache
def _is_available(code: str) -> bool:
    aliases = get_global("parent_exceptions")  # such a locale repeats another language's names
    known = "_" not in code and code not in aliases and localedata.exists(code)
    return known and len(concept_names(code)) >= MIN_CONCEPTS


def check_languages(languages: tuple[str, ...]) -> None:
    """Raise InputError for a language whose names CLDR lacks."""
    unknown = [code for code in languages if not _is_available(code)]  # asking for the whole list takes seconds
    if unknown:
        raise InputError(
            f"data=cldr has no language '{unknown[0]}' (no such code, or too few names of its own); "
            f"choose among {listed(available_languages())}"
        )


@cache
def concept_names(language: str) -> dict[Concept, str]:
    """Names of concepts in one language, without those that fall back to English or to a raw id."""
    names = _all_names(language)
    english = _all_names("en")
    return {
        concept: name
        for concept, name in names.items()
        if concept in english
        and name != concept[1]
        and (language == "en" or name.casefold() != english[concept].casefold())
    }


def _all_names(language: str) -> dict[Concept, str]:
    locale = Locale.parse(language)
    kinds = {
        "territory": locale.territories,
        "currency": locale.currencies,
        "language": locale.languages,
        "month": locale.months["format"]["wide"],
        "weekday": locale.days["format"]["wide"],
    }
    return {
        (kind, str(key)): name
        for kind, entries in kinds.items()
        for key, name in entries.items()
        # Variants such as "English (Australia)" repeat another concept's name.
        if isinstance(name, str) and "_" not in str(key) and "(" not in name
    }


def terms(relation: Relation, languages: tuple[str, ...]) -> dict[Concept, Terms]:
    """The concepts that have a term in every one of the languages, in a fixed order.

    `names`: territories, currencies, languages, months and weekdays; a question calls them what a passage does.
    `places`: territories; a passage has the place that stands for the territory's first time zone, such as "Nairobi"
    for "Kenya". Raises InputError for an unknown language.
    """
    check_languages(languages)
    return _names(languages) if relation == "names" else _places(languages)


def _names(languages: tuple[str, ...]) -> dict[Concept, Terms]:
    shared = set.intersection(*(set(concept_names(code)) for code in languages))
    return {
        concept: {code: Term(*[concept_names(code)[concept]] * 2) for code in languages} for concept in sorted(shared)
    }


def _places(languages: tuple[str, ...]) -> dict[Concept, Terms]:
    """Left out are territories whose name could be recognised in the place's, in the same or another language, and
    places that contain the name of any territory: what is left cannot be had by comparing strings."""
    territories = {code: _territories(code) for code in languages}
    every = {name.casefold() for named in territories.values() for name in named.values()}
    kept: dict[Concept, Terms] = {}
    for key, zones in sorted(get_global("territory_zones").items()):
        own = {code: territories[code].get(key) for code in languages}
        place = {code: _place(code, zones[0]) for code in languages}
        both = {code: Term(one, other) for code in languages if (one := own[code]) and (other := place[code])}
        if len(both) == len(languages) and not _is_recognisable(both.values(), every):
            kept["territory", key] = both
    return kept


def _is_recognisable(called: Iterable[Term], territories: set[str]) -> bool:
    places = [term.passage.casefold() for term in called]
    if any(_has_one(place, territories) for place in places):
        return True
    asked = set().union(*(_strings(term.question.casefold()) for term in called))
    return not asked.isdisjoint(set().union(*map(_strings, places)))


def _has_one(text: str, names: set[str]) -> bool:
    """Whether a name is in a short text: each part of it is looked up, since there are thousands of names."""
    size = len(text)
    return any(text[start:end] in names for start in range(size) for end in range(start + 1, size + 1))


def _strings(text: str) -> set[str]:
    """All strings of SHARED_CHARACTERS characters; a shorter text as it is."""
    return {text[start : start + SHARED_CHARACTERS] for start in range(max(1, len(text) - SHARED_CHARACTERS + 1))}


def _territories(language: str) -> dict[str, str]:
    """Names of territories by their code. Names that are also the English ones are no fallback: "Ghana"."""
    return {key: name for (kind, key), name in _all_names(language).items() if kind == "territory" and name != key}


def _place(language: str, zone: str) -> str | None:
    """CLDR's exemplar city of a time zone. Without one it is in the zone's id (UTS 35, part 4, "Time Zone Names"),
    which is of use in Latin script alone."""
    city = Locale.parse(language).time_zones.get(zone, {}).get("city")
    if city is None and script_of(language) == "Latn":
        city = zone.rpartition("/")[2].replace("_", " ")
    return None if city is None or "," in city or "(" in city else str(city)
