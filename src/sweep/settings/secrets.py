"""Passwords: settings that never show theirs, and what takes them out of any text that leaves a process."""

import logging
import os
import re
from typing import Any
from urllib.parse import unquote

# A user's name and a password before a host, in any text; and what a password may be called among a URL's options.
_USER = re.compile(r"([A-Za-z][\w+.-]*://[^\s:/@'\"]*):(?!\*\*\*@)[^\s'\"]+@")
_OPTION = re.compile(
    r"([?&](?!viewStateShareKey=)[^\s=&]*(?:pass|pwd|token|secret|key)[^\s=&]*=)(?!\*\*\*)[^\s&'\"]+",
    re.IGNORECASE,
)  # MLflow's key of a view that is shared opens nothing to anybody who could not open it anyway
_URL = re.compile(r"[A-Za-z][\w+.-]*://")
_SHORTEST = 6  # of a password that is looked for by itself: a shorter one may be a word like any other
_KNOWN: set[str] = set()  # passwords that this process has been given
_VARIABLES = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")  # of the environment, which have others


def redacted(url: str) -> str:
    """A URL with stars for its password, whatever characters that has."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    user, at, host = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    if not rest.startswith("/") and at and colon:
        url = f"{scheme}{mark}{name}:***@{host}"
    return _OPTION.sub(r"\1***", url)


def redact(text: str) -> str:
    """A message with stars for its passwords: those of URLs, and those that the settings and the environment of this
    process have."""
    given = {os.environ.get(name, "") for name in _VARIABLES}
    for password in sorted(_KNOWN | {one for one in given if len(one) >= _SHORTEST}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(password)}(?!\w)", "***", text)
    return without_passwords(text)


def hide(password: str) -> None:
    """Let messages of this process have stars for a password."""
    if len(password) >= _SHORTEST:
        _KNOWN.add(password)


def without_passwords(text: str) -> str:
    """A text with stars for the passwords of its URLs."""
    if _URL.match(text) and not any(map(str.isspace, text)):
        return redacted(text)
    return _OPTION.sub(r"\1***", _USER.sub(r"\1:***@", text))


def redacted_leaves(tree: Any) -> Any:
    """The same tree of mappings and lists, with stars for the passwords of URLs in it."""
    if isinstance(tree, dict):
        return {redacted_leaves(name): redacted_leaves(value) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [redacted_leaves(value) for value in tree]
    return without_passwords(tree) if isinstance(tree, str) else tree


class SecretUrl:
    """What a URL's type has besides pydantic's `Secret`, which must stand beside it: its text and its JSON have stars
    for the password."""

    def __init__(self, secret_value: str) -> None:
        super().__init__(secret_value)  # type: ignore[call-arg]
        password = secret_value.partition("://")[2].rpartition("@")[0].partition(":")[2]
        hide(password)
        hide(unquote(password))

    def _display(self) -> str:
        return redacted(self.get_secret_value())  # type: ignore[attr-defined]


class WithoutSecrets(logging.Formatter):
    """Formats log records, tracebacks included, without the passwords in them."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        return redact(super().format(record))
