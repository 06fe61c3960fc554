"""Corpora on the Hugging Face hub, at a pinned commit."""

from pathlib import Path

from huggingface_hub import snapshot_download

from sweep.data.origin import announce, reason
from sweep.errors import InputError
from sweep.settings import Corpus, HubOrigin, HubRepository


class HubRepositories:
    """Downloads of `origin.kind=hub`."""

    def fetch(
        self, corpus: Corpus, origin: HubOrigin, languages: tuple[str, ...], split: str, cache: Path, fix: str
    ) -> Path:
        """All repositories' files in one folder; the hub's client verifies them and goes on where it was
        interrupted."""
        folder = cache / corpus.name
        announce(corpus)
        for source in origin.repositories:
            patterns = _patterns(source, corpus, languages, split)
            try:
                snapshot_download(
                    source.repository,
                    repo_type="dataset",
                    revision=source.revision,
                    allow_patterns=patterns,
                    local_dir=folder,
                )
            except Exception as error:  # the client's errors, and those of its HTTP library, have no common base
                raise InputError(
                    f"{source.repository}: cannot be downloaded from the hub ({reason(error)}); {fix}"
                ) from error
            # The client only warns if nothing matches, or if the hub fails while the folder holds another repository.
            missing = [pattern for pattern in patterns if not any(folder.glob(pattern))]
            if missing:
                raise InputError(f"{source.repository}: the hub gave no {missing[0]}; {fix}")
        return folder


def _patterns(source: HubRepository, corpus: Corpus, languages: tuple[str, ...], split: str) -> list[str]:
    """The files of all languages; one that is of no language is named once."""
    named = [(code, corpus.names.get(code, code)) for code in languages]
    patterns = [file.format(language=code, name=name, split=split) for code, name in named for file in source.files]
    return list(dict.fromkeys(patterns))
