"""Which pretraining an encoder came of, as far as its configuration tells for certain."""

from typing import Literal

from sweep.model.folder_files import model_json

# A vocabulary of this size in this architecture is that of one family: its pretraining made both. Multilingual
# MiniLM, of which multilingual-e5-small came, was distilled from XLM-R, with 35 more places in XLM-R's vocabulary.
FAMILIES: dict[tuple[str, int], Literal["xlmr", "mbert", "labse"]] = {
    ("xlm-roberta", 250002): "xlmr",
    ("bert", 250037): "xlmr",
    ("bert", 119547): "mbert",
    ("distilbert", 119547): "mbert",
    ("bert", 501153): "labse",
}

ERNIE_M_TOKENIZER = "ErnieMPieceTokenizer"  # of an ERNIE-M as it is exported here, which looks like an XLM-R


def pretraining_of(path: str, revision: str | None) -> Literal["xlmr", "mbert", "labse"] | None:
    """The pretraining's name; None if it is another one, or not known. Raises InputError for a broken file."""
    config = model_json(path, "config.json", revision)
    if not isinstance(config, dict):
        return None
    family = FAMILIES.get((str(config.get("model_type")), config.get("vocab_size", 0)))
    if family == "xlmr" and _is_ernie_m(path, revision):
        return None
    return family


def _is_ernie_m(path: str, revision: str | None) -> bool:
    tokenizer = model_json(path, "tokenizer_config.json", revision)
    return isinstance(tokenizer, dict) and tokenizer.get("tokenizer_class") == ERNIE_M_TOKENIZER
