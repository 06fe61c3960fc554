"""What the types of the settings say about a place in them: its keys, its kinds, and whether it may be null."""

from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from sweep.settings.base import Section

Location = Sequence[str | int]


def types_at(into: type[Section], location: Location) -> list[Any]:
    """The types, without unions, of the value at a location: names of fields, keys, and numbers of items."""
    types: list[Any] = [into]
    for part in location:
        types = [inner for one in types for inner in _inside(one, part)]
    return types


def keys_at(into: type[Section], location: Location, kind: Any = None) -> list[str]:
    """The keys of the section at a location; of this kind, where there are several. Empty if there is none."""
    sections = [one for one in types_at(into, location) if isinstance(one, type) and issubclass(one, Section)]
    chosen = [one for one in sections if kind in _kinds(one)] or sections
    return list(dict.fromkeys(field.alias or name for one in chosen for name, field in one.model_fields.items()))


def kinds_at(into: type[Section], location: Location) -> list[str]:
    """The kinds of the sections that can stand at a location."""
    sections = [one for one in types_at(into, location) if isinstance(one, type) and issubclass(one, Section)]
    return [kind for one in sections for kind in _kinds(one)]


def kinds_with(into: type[Section], location: Location) -> list[str]:
    """The kinds of the section before the end of a location that have the key at its end."""
    sections = [one for one in types_at(into, location[:-1]) if isinstance(one, type) and issubclass(one, Section)]
    return [str(kind) for one in sections if location[-1] in one.model_fields for kind in _kinds(one)]


def length_at(into: type[Section], location: Location) -> int | None:
    """How many items the list there has, if it is always the same."""
    arguments = next((get_args(one) for one in types_at(into, location) if get_origin(one) is tuple), ())
    return len(arguments) if arguments and Ellipsis not in arguments else None


def may_be_null(into: type[Section], location: Location) -> bool:
    """Whether null is allowed there."""
    return NoneType in types_at(into, location)


def _kinds(section: type[Section]) -> tuple[Any, ...]:
    field = section.model_fields.get("kind")
    return get_args(field.annotation) if field is not None else ()


def _plain(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [one for member in get_args(annotation) for one in _plain(member)]
    return [annotation]


def _inside(one: Any, part: str | int) -> list[Any]:
    if isinstance(one, type) and issubclass(one, Section):
        fields = {field.alias or name: field.annotation for name, field in one.model_fields.items()}
        return _plain(fields[part]) if part in fields else []
    origin, arguments = get_origin(one), get_args(one)
    if origin is dict:
        return _plain(arguments[1])
    return _plain(arguments[0]) if origin is tuple else []
