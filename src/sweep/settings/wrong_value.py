"""One of pydantic's errors as a line that names the key, says what is allowed, and what to write."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweep.settings.base import Section
from sweep.settings.benchmarks import BENCHMARKS
from sweep.settings.sections import keys_at, kinds_at, length_at, may_be_null
from sweep.settings.tree import group_options
from sweep.settings.wording import excerpt, listed, suggestion, written

SHORT = 80  # characters of a section that a message can show with what it lacks
Detail = Mapping[str, Any]

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_too_short": "a text of at least {min_length} letters",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "a list of at least {min_length}",
}


class Wrong:
    """An error, and the key that it is about."""

    def __init__(self, detail: Detail, plain: Mapping[str, Any], into: type[Section]) -> None:
        self.detail, self.into = detail, into
        self.type: str = detail["type"]
        self.value = detail["input"]
        self.path, self.parent = _located(detail, plain)
        self.key = ".".join(map(str, self.path))
        self.also: list[str] = []  # other keys that are missing in the same section
        self.null = " or null" if may_be_null(into, self.path) else ""

    @property
    def section(self) -> tuple[str | int, ...]:
        """Where the key is."""
        return tuple(self.path[:-1])

    def line(self) -> str:
        """What is wrong, what is allowed, and what to write."""
        if self.type in _SPECIAL:
            return _SPECIAL[self.type](self)
        context = self.detail.get("ctx", {})
        if self.type in _WANTED:
            wanted = _WANTED[self.type].format(**context)
        else:  # of a check of our own, which says it in words
            wanted = self.detail["msg"].replace("Input should be ", "")
        if self.value == "" and self.type == "string_too_short":
            wanted = "a text, and not an empty one"
        return self.must_be(wanted)

    def must_be(self, wanted: str) -> str:
        """The line for a value that should be another."""
        return f"{self.key}={written(self.value)}: must be {wanted}{self.null}"

    def siblings(self) -> list[str]:
        """The keys of the section that the key is in."""
        kind = self.parent.get("kind") if isinstance(self.parent, Mapping) else None
        return keys_at(self.into, self.path[:-1], kind)


def of_details(details: Sequence[Detail], plain: Mapping[str, Any], into: type[Section]) -> list[Wrong]:
    """The errors, one for all keys that a section lacks."""
    errors: list[Wrong] = []
    lacking: dict[tuple[str | int, ...], Wrong] = {}
    for wrong in (Wrong(detail, plain, into) for detail in details):
        if wrong.type == "missing" and wrong.section in lacking and isinstance(wrong.path[-1], str):
            lacking[wrong.section].also.append(wrong.path[-1])
            continue
        if wrong.type == "missing" and wrong.section:
            lacking[wrong.section] = wrong
        errors.append(wrong)
    return errors


def _located(detail: Detail, plain: Mapping[str, Any]) -> tuple[list[str | int], Any]:
    """The path of a wrong value, and what holds it. A union puts the kind it has chosen into the location:
    data.cldr.records is data.records."""
    path: list[str | int] = []
    parent: Any = None
    node: Any = plain
    *_, last = [None, *range(len(detail["loc"]))]
    for number, part in enumerate(detail["loc"]):
        kind = isinstance(node, Mapping) and part not in node and not (number == last and detail["type"] == "missing")
        if kind or part == "[key]":
            continue
        path.append(part)
        parent = node
        inside = isinstance(node, Mapping) or (isinstance(node, (list, tuple)) and part != len(node))
        node = None if not inside or (isinstance(node, Mapping) and part not in node) else node[part]
    return path, parent


def _unknown(wrong: Wrong) -> str:
    *before, word = map(str, wrong.path)
    if wrong.path == ["experiment"]:
        return "an experiment's file begins with the line '# @package _global_', and has sections such as train:"
    keys = wrong.siblings()
    hint = suggestion(word, keys if before else [*keys, *group_options()], "".join(f"{part}." for part in before))
    keys_there = f". Keys of {'.'.join(before) or 'the configuration'}: {listed(keys)}"
    return f"unknown key '{excerpt(wrong.key)}'{hint or keys_there}"


def _missing(wrong: Wrong) -> str:
    *before, name = wrong.path
    where = ".".join(map(str, before))
    if isinstance(name, int):
        return f"{where}={written(wrong.parent)}: must be a list of {length_at(wrong.into, before)}"
    if not before:
        return f"{name} is missing; choose one with {name}=NAME: {listed(group_options().get(name, ['...']))}"
    names = [str(name), *wrong.also]
    lacking = f"{', '.join(f'{where}.{each}' for each in names)} {'are' if wrong.also else 'is'} missing"
    example = written(wrong.parent)
    if len(example) < SHORT and isinstance(wrong.parent, Mapping):
        inside = f"{example[1:-1]}, " if wrong.parent else ""
        return f"{lacking}; write {where}: {{{inside}{', '.join(f'{each}: VALUE' for each in names)}}}"
    return f"{lacking}; write +{wrong.key}=VALUE, and no ~{wrong.key}"


def _too_long(wrong: Wrong) -> str:
    context = wrong.detail["ctx"]
    length = length_at(wrong.into, wrong.path) or f"at most {context['max_length']}"
    return f"{wrong.key}={written(wrong.value)}: must be a list of {length}, not of {context['actual_length']}"


def _own(wrong: Wrong) -> str:
    return f"{wrong.key}: {wrong.detail['ctx']['error']}" if wrong.key else str(wrong.detail["ctx"]["error"])


def _one_of(wrong: Wrong) -> str:
    allowed = [word.strip("'") for word in wrong.detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    if len(allowed) == 1:
        return wrong.must_be(allowed[0])
    return wrong.must_be(f"one of: {listed(allowed)}") + suggestion(str(wrong.value), allowed)


def _text(wrong: Wrong) -> str:
    if isinstance(wrong.value, bool):
        return wrong.must_be("text") + "; a bare yes, no, on or off means true or false in YAML: put it into quotes"
    if isinstance(wrong.value, (int, float)):
        fix = f"{wrong.key}=\"'{wrong.value}'\""
        return f"{wrong.must_be('text')}; put quotes around it that reach the program: {fix}"
    return wrong.must_be("text")


def _list(wrong: Wrong) -> str:
    example = f", such as [{wrong.value}]" if isinstance(wrong.value, (str, int, float)) and wrong.value != "" else ""
    return wrong.must_be("a list") + excerpt(example)


def _section(wrong: Wrong) -> str:
    keys = keys_at(wrong.into, wrong.path)
    if not keys:
        return wrong.must_be("keys with values, such as {key: value}")
    if "kind" in keys and isinstance(wrong.value, str):
        return wrong.must_be("a section") + f"; did you mean {wrong.key}.kind={excerpt(wrong.value)}?"
    return wrong.must_be(f"a section, such as {{{keys[0]}: ...}}") + f"; its keys: {listed(keys)}"


def _kind(wrong: Wrong) -> str:
    kinds, value = kinds_at(wrong.into, wrong.path), wrong.value
    is_benchmark = wrong.path[0] == BENCHMARKS
    group = wrong.key if wrong.key in group_options() else "evaluation" if is_benchmark else str(wrong.path[0])
    package = "" if group == wrong.key else f"@{wrong.key}"
    choice = f"{'+' if is_benchmark else ''}{group}{package}"
    whole = f"choose a whole section with {choice}=NAME: {listed(group_options().get(group, ['...']))}"
    if isinstance(value, Mapping) and "kind" in value:
        return f"{wrong.key}.kind={written(value['kind'])}: must be one of: {listed(kinds)}; {whole}"
    return f"{wrong.key}={written(value)}: must be a section with a kind; {whole}"


_SPECIAL: dict[str, Callable[[Wrong], str]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "too_long": _too_long,
    "value_error": _own,
    "literal_error": _one_of,
    "string_type": _text,
    "tuple_type": _list,
    "list_type": _list,
    "dict_type": _section,
    "model_type": _section,
    "model_attributes_type": _section,
    "union_tag_invalid": _kind,
    "union_tag_not_found": _kind,
}
