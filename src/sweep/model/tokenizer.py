"""The tokenizer of the from-scratch model: Unigram, trained on the training text only, cached by its content."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from sweep.model.ernie_m.split_pieces import ErnieMPieceTokenizer
from sweep.records.files import replacing_file
from sweep.records.sealed import seal, sealed_content

log = logging.getLogger("sweep")

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
LAYOUT_VERSION = "2"  # part of the cache key: a change to `train_tokenizer` makes old files unused


def unigram_tokenizer(texts: Sequence[str], vocabulary_size: int, cache: Path) -> PreTrainedTokenizerFast:
    """Train a Unigram tokenizer (Kudo 2018, arXiv 1804.10959) on the texts, or read it from the cache.

    The cache file's name is the SHA-256 of the texts and the settings, so it can never be stale; it is written
    under a temporary name and moved, so two processes may build it at once. One that is damaged is made again.
    """
    digest = hashlib.sha256(f"{LAYOUT_VERSION}\0{vocabulary_size}\0".encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    file = cache / "tokenizers" / f"{digest.hexdigest()}.json"
    layout = sealed_content(file)
    if layout is None:
        if file.exists():
            log.warning("the tokenizer in %s is damaged; training it again", file)
        with replacing_file(file) as draft:
            draft.write_text(train_tokenizer(texts, vocabulary_size).to_str(), encoding="utf-8")
            seal(draft)
        layout = sealed_content(file)
        assert layout is not None
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer.from_str(layout.to_pybytes().decode()),
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


def train_tokenizer(texts: Sequence[str], vocabulary_size: int) -> Tokenizer:
    """A new Unigram tokenizer with XLM-R's special tokens and layout `<s> text </s>`."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary_size, special_tokens=SPECIAL_TOKENS, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    tokenizer = _canonical(tokenizer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return tokenizer


def _canonical(tokenizer: Tokenizer) -> Tokenizer:
    """The same pieces with scores and an order that do not vary from run to run.

    The trainer sums in parallel, so log probabilities differ in their last digits; and the single characters that it
    only keeps to cover the text get the lowest score plus multiples of 0.0001, in an order that is never the same.
    """
    layout = json.loads(tokenizer.to_str())
    pieces: list[tuple[str, float]] = layout["model"]["vocab"][len(SPECIAL_TOKENS) :]
    lowest = min(score for _, score in pieces)
    covering = lowest + 0.0001 * sum(len(piece) == 1 for piece, _ in pieces)
    rounded = [
        (piece, round(lowest if len(piece) == 1 and score <= covering else score, 2)) for piece, score in pieces
    ]
    layout["model"]["vocab"][len(SPECIAL_TOKENS) :] = sorted(rounded, key=lambda item: (-item[1], item[0]))
    return Tokenizer.from_str(json.dumps(layout))


def lower_cased(tokenizer: Any) -> None:
    """Have a fast tokenizer lower-case its texts first, in place, unless it does so already."""
    if isinstance(tokenizer, ErnieMPieceTokenizer):
        tokenizer.lower_texts()
        return
    backend = tokenizer.backend_tokenizer
    layout = json.loads(backend.to_str())["normalizer"] or {}
    steps = layout.get("normalizers", [layout])
    if not any(step.get("type") == "Lowercase" or step.get("lowercase") for step in steps):
        before = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """SHA-256 (hex) of all that a fast tokenizer does, but for the length and the padding of its last call."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # every call of the tokenizer sets them anew
    backend.no_padding()
    cut = "" if tokenizer.truncation_side == "right" else f"\0cut on the {tokenizer.truncation_side}"
    before = f"\0{tokenizer.before_lookup}" if isinstance(tokenizer, ErnieMPieceTokenizer) else ""
    return hashlib.sha256((backend.to_str() + cut + before).encode()).hexdigest()
