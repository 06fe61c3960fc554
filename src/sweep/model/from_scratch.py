"""The encoder that is trained from scratch."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from sweep.model.encoder import Encoder, Retriever
from sweep.model.tokenizer import unigram_tokenizer
from sweep.settings import TinyModel

MOST_TEXTS = 200_000  # that a tokenizer is trained on, spread over all of them


class FromScratch:
    """A small Transformer; its tokenizer is trained on the training text, and `seed` draws its weights."""

    def check(self, settings: TinyModel) -> None:
        """There is nothing to find."""

    def build(self, settings: TinyModel, training_texts: Sequence[str], cache: Path, seed: int) -> Retriever:
        """A retriever ready to train."""
        every = -(-len(training_texts) // MOST_TEXTS)
        texts = training_texts if every <= 1 else training_texts[::every]
        tokenizer = unigram_tokenizer(texts, settings.vocabulary_size, cache)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=4 * settings.hidden_size,
            max_position_embeddings=max(settings.max_query_tokens, settings.max_passage_tokens),
            hidden_dropout_prob=settings.dropout,
            attention_probs_dropout_prob=settings.dropout,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = BertModel(config, add_pooling_layer=False)
        return Retriever(Encoder(backbone, settings.pooling, settings.precision), tokenizer, settings)

    def word_embeddings(self, settings: TinyModel, cache: Path) -> Tensor:
        """It has none before its training."""
        raise NotImplementedError(f"model.kind={settings.kind} has no weights before its training")
