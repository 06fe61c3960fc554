"""What a pretrained encoder must have, as its configuration and its tokenizer tell it: no weights are needed.

Everything that is not so here ends in an index out of range, in NaN, or in another model than the one that was meant.
"""

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForTextEncoding, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from sweep.errors import InputError
from sweep.model.loading import has_piece_tokenizer, load_config, load_tokenizer
from sweep.settings import HfModel, pooling_modes

CODE_OF = {"AutoConfig", "AutoModel", "AutoTokenizer"}  # what is loaded here


def refuse_unasked_code(settings: HfModel) -> None:
    """Raises InputError if the encoder comes with Python code of its own, and nobody has allowed it.

    Without that code transformers may take a class of its own of the same name, which is another model.
    """
    if settings.trust_remote_code:
        return
    config, _ = PretrainedConfig.get_config_dict(settings.path, revision=settings.revision)
    parts = [config]
    if not has_piece_tokenizer(settings.path, settings.revision):  # that code is here, too
        parts.append(get_tokenizer_config(settings.path, revision=settings.revision))
    for part in parts:
        if CODE_OF & set(part.get("auto_map") or ()):
            raise InputError(
                f"model.path={settings.path}: it needs Python code of its own (auto_map); read that code, and set "
                "model.trust_remote_code=true if it may run here"
            )


def auto_class(config: Any) -> Any:
    """What loads this architecture; of an encoder with a decoder, such as T5, the encoder alone.

    Raises ValueError if transformers has no such class.
    """
    encoder = MODEL_FOR_TEXT_ENCODING_MAPPING.get(type(config), None)
    if encoder is not None and encoder is not MODEL_MAPPING.get(type(config), None):
        return AutoModelForTextEncoding
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(f"{config.model_type} is an encoder with a decoder")
    return AutoModel


def check_before_loading(settings: HfModel) -> None:
    """Look at configuration and tokenizer, and at the modules without their weights. Raises InputError, or what
    transformers raises for what it cannot load."""
    refuse_unasked_code(settings)
    config, tokenizer = load_config(settings), load_tokenizer(settings)
    with torch.device("meta"):
        backbone = auto_class(config).from_config(config, trust_remote_code=settings.trust_remote_code)
    check_parts(settings, tokenizer, backbone)


def check_parts(settings: HfModel, tokenizer: Any, backbone: Any) -> None:
    """Whether tokenizer and modules can be used together, and as the settings want it. Raises InputError."""
    if not tokenizer.is_fast:
        raise InputError(f"model.path={settings.path}: its tokenizer has no tokenizer.json, which is needed here")
    if tokenizer.pad_token_id is None:
        raise InputError(f"model.path={settings.path}: its tokenizer has no padding token; choose an encoder model")
    rows = backbone.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows and not _only_special_beyond(tokenizer, rows):
        raise InputError(
            f"model.path={settings.path}: its tokenizer has {len(tokenizer):,} tokens, and its word embeddings "
            f"{rows:,}; are both of the same model?"
        )
    if settings.restrict_vocabulary and getattr(backbone.config, "vocab_size_per_layer_input", None):
        raise InputError(
            f"model.restrict_vocabulary=true: {settings.path} has word embeddings for its layers, too; set it to "
            "false"
        )
    if "cls" in pooling_modes(settings.pooling) and _reads_forwards(backbone):
        raise InputError(
            f"model.pooling={settings.pooling}: {settings.path} reads from left to right, so its first token knows "
            "nothing of the text; choose mean or lasttoken"
        )
    positions = usable_positions(backbone)
    for name in ("max_query_tokens", "max_passage_tokens"):
        if positions is not None and getattr(settings, name) > positions:
            raise InputError(
                f"model.{name}={getattr(settings, name)}: {settings.path} takes at most {positions} tokens"
            )


def _only_special_beyond(tokenizer: Any, rows: int) -> bool:
    """Whether every token without an embedding is a special one, which the tokenizer adds to no text: Gemma's has one
    for images, which its text models know nothing of."""
    added = tokenizer.added_tokens_decoder
    beyond = [token for token in tokenizer.get_vocab().values() if token >= rows]
    return all(token in added and added[token].special for token in beyond)


def usable_positions(backbone: Any) -> int | None:
    """The most tokens that the architecture has positions for, or None if it sets no limit.

    Positions that are embedded with a padding row, as in the families of RoBERTa and MPNet, begin after that row.
    """
    limits = [getattr(backbone.config, "max_position_embeddings", None)]
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - before)
    return min((limit for limit in limits if limit is not None and limit > 0), default=None)


def _reads_forwards(backbone: Any) -> bool:
    """Whether a token sees only those before it."""
    return any(getattr(module, "is_causal", False) is True for module in backbone.modules())
