"""Where the study's database is, without ever showing its password."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Secret

from sweep.settings.secrets import SecretUrl

ADVICE = (
    "give postgresql+psycopg://USER:PASSWORD@HOST/DATABASE through an environment variable: "
    "study.storage='${oc.env:SWEEP_STORAGE}'"
)


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


class StorageUrl(SecretUrl, Secret[Annotated[str, AfterValidator(_checked)]]):
    """A database's URL; its text and its JSON have stars for the password."""
