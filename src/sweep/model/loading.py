"""Configuration and tokenizer of a model's folder: as transformers has them, or as what it no longer has, ERNIE-M."""

from typing import Any

from transformers import AutoConfig, AutoTokenizer

from sweep.model.ernie_m.conversion import is_published, xlmr_config
from sweep.model.ernie_m.sentence_piece import published_tokenizer
from sweep.model.ernie_m.split_pieces import ErnieMPieceTokenizer
from sweep.model.folder_files import model_json
from sweep.settings import HfModel


def source(settings: HfModel) -> dict[str, Any]:
    """What every part of the encoder is loaded with. Code of its folder runs only where the settings say so."""
    return {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}


def load_config(settings: HfModel) -> Any:
    """The encoder's configuration; of an ERNIE-M that of the XLM-R which it is converted into."""
    if is_published(settings.path, settings.revision):
        return xlmr_config(settings.path, settings.revision)
    return AutoConfig.from_pretrained(settings.path, **source(settings))


def load_tokenizer(settings: HfModel) -> Any:
    """The encoder's tokenizer. That of ERNIE-M is code of this package, whatever code is in an exported folder."""
    if is_published(settings.path, settings.revision):
        return published_tokenizer(settings.path, settings.revision)
    if has_piece_tokenizer(settings.path, settings.revision):
        return ErnieMPieceTokenizer.from_pretrained(settings.path, revision=settings.revision or "main")
    return AutoTokenizer.from_pretrained(settings.path, **source(settings))


def has_piece_tokenizer(path: str, revision: str | None) -> bool:
    """Whether the folder is one of ERNIE-M as it is exported here."""
    config = model_json(path, "tokenizer_config.json", revision)
    return isinstance(config, dict) and config.get("tokenizer_class") == ErnieMPieceTokenizer.__name__
