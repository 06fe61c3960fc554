"""What is wrong with an override that Hydra cannot read, and how it is written."""

import re
import shlex

from sweep.settings.overrides import assignment
from sweep.settings.wording import excerpt

_KEY = re.compile(r"(\+{0,2}|~)[A-Za-z_$][\w.$-]*([/@:][\w.$/@:-]*)?")
LONGEST_KEY = 200  # Hydra looks for a file of that name
_PAIRS = {"}": "{", "]": "[", ")": "("}


def explain_syntax(override: str) -> str:
    """One line: what of it is wrong, and what to write."""
    start = f"cannot read '{excerpt(override)}': "
    key, equals, value = override.partition("=")
    if override.startswith("-"):
        return f"{start}settings have no dashes before them: write {_quoted(override.lstrip('-'))}"
    if key.strip() != key and _KEY.fullmatch(key.strip()):
        return f"{start}there are no spaces around '=': write {_quoted(f'{key.strip()}={value.strip()}')}"
    if not equals:
        name, colon, rest = override.partition(":")
        meant = f"{name}={rest.strip()}" if colon and _KEY.fullmatch(name) else f"{key.strip() or 'KEY'}=VALUE"
        return f"{start}it has no '=': write {_quoted(meant)}"
    if len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        return f"{start}what is before '=' is not a key, such as train.steps or +experiment"
    if value[:1] in ("[", "{"):
        return f"{start}{_unbalanced(value) or 'a text in it has other characters than letters and digits'}; {_HOW}"
    if "${" in value and _unbalanced(value):
        return f"{start}a reference, such as ${{train.steps}}, is not closed"
    return f"{start}a text with such characters is in quotes: write {_quoted(assignment(key, value))}"


_HOW = (
    "lists are [a, b], sections {key: value, key: value}, and texts with other characters 'in quotes'; for the shell "
    "put the whole override into quotes of the other kind"
)


def _quoted(override: str) -> str:
    """As one types it in a shell, if it is short enough to be typed."""
    if len(override) > LONGEST_KEY:
        return f"\"{excerpt(override.partition('=')[0])}='...'\""
    plain = not set(override) & set('"$`\\!')
    return f'"{override}"' if plain and shlex.quote(override) != override else shlex.quote(override)


def _unbalanced(value: str) -> str | None:
    """Which bracket or quote has no other."""
    opened: list[str] = []
    quote = ""
    for number, char in enumerate(value):
        if quote:
            if char == quote and value[number - 1] != "\\":
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in _PAIRS.values():
            opened.append(char)
        elif char in _PAIRS and (not opened or opened.pop() != _PAIRS[char]):
            return f"'{char}' at character {number + 1} of the value closes nothing that is open"
    if quote:
        return f"a quote ({quote}) is not closed"
    return f"'{opened[-1]}' is not closed" if opened else None
