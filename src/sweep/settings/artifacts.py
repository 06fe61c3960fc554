"""The place where machines without a shared folder leave what a study's other machines need."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Secret

from sweep.settings.secrets import SecretUrl

# Kinds of URL that are written to as a whole or not at all, and the packages that fsspec needs for them.
PACKAGES = {"file": None, "s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
ADVICE = "give a URL such as s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or file:///FOLDER"


def _checked(url: str) -> str:
    """Raises ValueError, whose text never has the URL: it may hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"not a URL that can be used; {ADVICE}") from None
    if parts.scheme == "memory":
        raise ValueError(f"no other process sees what is in this one's memory; {ADVICE}")
    if parts.scheme not in PACKAGES or "://" not in url:
        raise ValueError(f"its kind must be one of {', '.join(PACKAGES)}; {ADVICE}")
    if "@" in parts.netloc or set("?#") & set(url):
        raise ValueError(
            f"user, password and options do not belong into the URL: packages such as s3fs take credentials from the "
            f"environment, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; {ADVICE}"
        )
    if parts.scheme == "file" and (parts.netloc or parts.path.strip("/") == ""):
        raise ValueError("a folder is given with its whole path and three slashes, as file:///shared/FOLDER")
    if parts.scheme != "file" and not parts.netloc:
        raise ValueError(f"it names no bucket; {ADVICE}")
    return url.rstrip("/")


class ArtifactsUrl(SecretUrl, Secret[Annotated[str, AfterValidator(_checked)]]):
    """A place's URL; one with a password is refused without being shown."""

    @property
    def kind(self) -> str:
        """Such as s3."""
        return self.get_secret_value().partition("://")[0]

    @property
    def path(self) -> str:
        """What follows the kind: bucket and folder, or the folder of a file system."""
        return self.get_secret_value().partition("://")[2]
