"""Which documents are for training and which are for evaluation."""

import hashlib


def is_for_training(document: str, share: float) -> bool:
    """A pure function of the document's name: the same in the training data and in the benchmark."""
    return int.from_bytes(_digest(document)[:8], "big") < share * 2**64


def drawn(names: set[str], limit: int | None) -> set[str]:
    """All names, or `limit` of them: the same choice at every run, whatever their order."""
    return names if limit is None else set(sorted(names, key=_digest)[:limit])


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
