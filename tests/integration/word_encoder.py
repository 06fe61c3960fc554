"""A small randomly initialised encoder, which matches words: enough to rank."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from sweep.model.tokenizer import unigram_tokenizer

WORDS = ("lake", "river", "stone", "birch", "heron", "salt", "ember", "frost", "meadow", "tide", "copper", "thistle")


def save_word_encoder(folder: Path, cache: Path) -> Path:
    """Save it in a folder, in the layout of the hub; its tokenizer knows pairs of `WORDS`."""
    tokenizer = unigram_tokenizer(tuple(f"{one} {other}" for one in WORDS for other in WORDS), 300, cache)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
