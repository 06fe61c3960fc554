"""The declaration of a corpus: what it is called, its languages, and where it can be downloaded from."""

from typing import Annotated, Literal

from pydantic import Field

from sweep.settings.base import Language, Name, Section, matching

Sha256 = Annotated[str, matching("[0-9a-f]{64}", "a SHA-256, of 64 hex digits")]


class HttpOrigin(Section):
    """One file a language, `<url><language>.json`, with its SHA-256 (hex)."""

    kind: Literal["http"]
    url: Annotated[str, matching("https?://.*/", "a URL that begins with https:// and ends in /")]
    sha256: dict[Language, Sha256]


class HttpFile(Section):
    """A file of an origin: its path behind the URL, its language and its split (null: all need it), and its SHA-256
    (hex)."""

    path: Annotated[str, matching(r"[^/.][^/]*(/[^/.][^/]*)*", "a relative path of plain names")]
    language: Language | None
    split: Name | None = None
    sha256: Sha256


class FilesOrigin(Section):
    """Files of whatever names behind a URL, `<url><path>`, each declared; they keep their paths in the cache."""

    kind: Literal["files"]
    url: Annotated[str, matching("https?://.*/", "a URL that begins with https:// and ends in /")]
    files: Annotated[tuple[HttpFile, ...], Field(min_length=1)]


class HubRepository(Section):
    """A data set on the Hugging Face hub at a pinned commit; `files` are patterns with {language}, {split} and
    {name}, which is what the corpus' files call the language."""

    repository: Annotated[str, matching("[^/]+/[^/]+", "OWNER/NAME")]
    revision: Annotated[str, matching("[0-9a-f]{40}", "a commit, of 40 hex digits")]
    files: Annotated[tuple[str, ...], Field(min_length=1)]


class HubOrigin(Section):
    """Repositories that together make up the folder which the corpus' reader expects."""

    kind: Literal["hub"]
    repositories: Annotated[tuple[HubRepository, ...], Field(min_length=1)]


class Corpus(Section):
    """The declaration of a corpus. `languages`: all that its origin has; empty for a folder of the user's own, which
    has no origin. `names`: what its files call a language, where that is no code ("arabic"). Names, licence and
    citation do not change results and are no part of the fingerprint."""

    name: Name
    languages: tuple[Language, ...]
    licence: str | None = Field(exclude=True)
    citation: str | None = Field(exclude=True)
    names: dict[Language, str] = Field(default={}, exclude=True)
    origin: Annotated[HttpOrigin | FilesOrigin | HubOrigin, Field(discriminator="kind")] | None
