"""Where the study's database is, without ever showing its password."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Secret

ADVICE = (
    "give postgresql+psycopg://USER:PASSWORD@HOST/DATABASE through an environment variable: "
    "study.storage='${oc.env:SWEEP_STORAGE}'"
)


def redacted(url: str) -> str:
    """The URL with stars for its password."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}{mark}{name}{':***' if colon else ''}{at}{host}{slash}{path}"


def _checked(url: str) -> str:
    """Raises ValueError, whose text never has the URL: it may hold a password."""
    if not url.startswith("postgresql+psycopg://"):
        raise ValueError(f"only PostgreSQL is known, besides null for SQLite in the study's folder; {ADVICE}")
    try:
        parts = urlsplit(url)
        known = bool(parts.port or parts.path.strip("/")) and parts.netloc.count("@") <= 1
    except ValueError:
        known = False
    if not known or set("?#") & set(url):
        raise ValueError(
            f"not a URL that can be used (it takes no options, and @ / ? # : in a password are written %40 %2F %3F "
            f"%23 %3A); {ADVICE}"
        )
    return url


class StorageUrl(Secret[Annotated[str, AfterValidator(_checked)]]):
    """A database's URL; its text and its JSON have stars for the password."""

    def _display(self) -> str:
        return redacted(self.get_secret_value())
