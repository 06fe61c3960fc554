"""Small models with random weights as the families of encoders are published: the same architecture, tokenizer and
files of sentence-transformers."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizer,
    Gemma3TextConfig,
    GemmaTokenizer,
    ModernBertConfig,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    Qwen3Config,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

SENTENCES = (
    "Where does the river begin?", "Wo entspringt der Fluss?", "नदी कहाँ से निकलती है?", "河流从哪里开始？",
    "Mto unaanzia wapi?", "أين يبدأ النهر؟", "Der Fluss entspringt in den Bergen.", "The river begins in 12 springs.",
)  # fmt: skip
IMAGE = "<image_soft_token>"  # that Gemma's tokenizers have, and its text models have no embedding of
HIDDEN = 32
SHAPE = {
    "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 130,
}  # fmt: skip
GROUPED = {**SHAPE, "num_key_value_heads": 2, "head_dim": 8}
IDENTITY = "torch.nn.modules.linear.Identity"
TANH = "torch.nn.modules.activation.Tanh"


class Family(NamedTuple):
    """How a family is published: the files of sentence-transformers as its folder has them. `files=False`: none."""

    tokenizer: Callable[[], PreTrainedTokenizerFast]
    config: Callable[..., Any]
    pooling: str
    dense: tuple[tuple[int, int, bool, str], ...] = ()
    normalised: bool = True
    prompts: dict[str, str] | None = None
    files: bool = True


def _trained(tokenizer: Tokenizer, trainer: Any) -> Any:
    """The model of a tokenizer that has learnt the sentences."""
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    return json.loads(tokenizer.to_str())["model"]


@cache
def sentencepiece() -> PreTrainedTokenizerFast:
    """As XLM-R's: <s> text </s>, padded with 1."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    learnt = _trained(
        tokenizer,
        trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False),
    )
    return XLMRobertaTokenizer(vocab=[*map(tuple, learnt["vocab"]), ("<mask>", 0.0)])


@cache
def wordpiece() -> PreTrainedTokenizerFast:
    """As BERT's: [CLS] text [SEP] with token types, padded with 0."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learnt = _trained(
        tokenizer, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    )
    return BertTokenizer(vocab=learnt["vocab"], do_lower_case=False)


@cache
def gemma() -> PreTrainedTokenizerFast:
    """As EmbeddingGemma's: <bos> text <eos>, with a token that no text has and the encoder does not know."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learnt = _trained(tokenizer, trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False))
    whole = GemmaTokenizer(
        vocab=learnt["vocab"], merges=[*map(tuple, learnt["merges"])], add_bos_token=True, add_eos_token=True
    )
    whole.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    whole.add_tokens([IMAGE], special_tokens=True)
    return whole


@cache
def bytewise() -> PreTrainedTokenizerFast:
    """As Qwen3-Embedding's: text <|endoftext|>, padded on the left with that very token, one of the last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learnt = _trained(tokenizer, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    end, stop = "<|endoftext|>", "<|im_end|>"
    whole = Qwen2Tokenizer(
        vocab=learnt["vocab"], merges=[*map(tuple, learnt["merges"])], eos_token=stop, pad_token=end,
        padding_side="left",
    )  # fmt: skip
    whole.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, whole.pad_token_id)]
    )
    return whole


def _xlmr(**options: Any) -> XLMRobertaConfig:
    return XLMRobertaConfig(type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, **SHAPE, **options)


def _modernbert(**options: Any) -> ModernBertConfig:
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "cls_token_id": 2, "sep_token_id": 1}
    return ModernBertConfig(local_attention=16, global_attn_every_n_layers=2, **special, **SHAPE, **options)


def _gemma(**options: Any) -> Gemma3TextConfig:
    """Attention in both directions; the first layer sees its neighbourhood alone."""
    kinds = ["sliding_attention", "full_attention"]
    own = {
        "use_bidirectional_attention": True,
        "sliding_window": 16,
        "layer_types": kinds,
        "query_pre_attn_scalar": 8,
    }
    return Gemma3TextConfig(pad_token_id=0, eos_token_id=1, bos_token_id=2, **own, **GROUPED, **options)


def _qwen(**options: Any) -> Qwen3Config:
    return Qwen3Config(use_sliding_window=False, **GROUPED, **options)


GEMMA_PROMPTS = {
    "query": "task: search result | query: ",
    "document": "title: none | text: ",
    "Clustering": "task: clustering | query: ",
}
QWEN_QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

PUBLISHED = {
    "xlmr": Family(sentencepiece, _xlmr, "mean", files=False),
    "mbert": Family(wordpiece, lambda **options: BertConfig(**SHAPE, **options), "mean", files=False),
    "labse": Family(
        wordpiece, lambda **options: BertConfig(**SHAPE, **options), "cls", ((HIDDEN, HIDDEN, True, TANH),)
    ),
    "me5_small": Family(sentencepiece, lambda **options: BertConfig(pad_token_id=1, **SHAPE, **options), "mean"),
    "me5_base": Family(sentencepiece, _xlmr, "mean"),
    "me5_large": Family(sentencepiece, _xlmr, "mean"),
    "bge_m3": Family(sentencepiece, _xlmr, "cls"),
    "arctic_embed_2": Family(sentencepiece, _xlmr, "cls", prompts={"query": "query: "}),
    "modernbert": Family(gemma, _modernbert, "mean", files=False),
    "mmbert_base": Family(gemma, _modernbert, "mean", files=False),
    "embedding_gemma": Family(
        gemma,
        _gemma,
        "mean",
        ((HIDDEN, 4 * HIDDEN, False, IDENTITY), (4 * HIDDEN, HIDDEN, False, IDENTITY)),
        prompts=GEMMA_PROMPTS,
    ),
    "qwen3_embedding": Family(bytewise, _qwen, "lasttoken", prompts={"query": QWEN_QUERY, "document": ""}),
}


def publish(name: str, folder: Path) -> Path:
    """Write a model of the family. Weights are larger than a new model's, so that texts differ clearly."""
    family = PUBLISHED[name]
    tokenizer = family.tokenizer()
    rows = len(tokenizer) - (IMAGE in tokenizer.get_vocab())
    torch.manual_seed(0)
    model = AutoModel.from_config(family.config(vocab_size=rows))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if family.files:
        _write_files(family, model, folder)
    return folder


def _write_files(family: Family, model: Any, folder: Path) -> None:
    """What sentence-transformers reads, as versions before 5 wrote it, which the published models come from.
    LaBSE's dense layer is its pooler."""
    kinds = ["Transformer", "Pooling", *("Dense" for _ in family.dense), *["Normalize"] * family.normalised]
    paths = [f"{place}_{kind}" if place else "" for place, kind in enumerate(kinds)]
    rows = enumerate(zip(paths, kinds, strict=True))
    types = "sentence_transformers.models"
    _write(
        folder / "modules.json",
        [{"idx": at, "name": str(at), "path": path, "type": f"{types}.{kind}"} for at, (path, kind) in rows],
    )
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False})
    flags = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "lasttoken": "lasttoken"}
    modes = {f"pooling_mode_{flag}": mode == family.pooling for mode, flag in flags.items()}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **modes})
    if family.prompts is not None:
        whole = {"prompts": family.prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
        _write(folder / "config_sentence_transformers.json", whole)
    for place, (size_in, size_out, bias, activation) in enumerate(family.dense, 2):
        config = {"in_features": size_in, "out_features": size_out, "bias": bias, "activation_function": activation}
        _write(folder / f"{place}_Dense" / "config.json", config)
        layer = model.pooler.dense if family is PUBLISHED["labse"] else torch.nn.Linear(size_in, size_out, bias)
        weights = {f"linear.{name}": weight.detach() for name, weight in layer.named_parameters()}
        save_file(weights, folder / f"{place}_Dense" / "model.safetensors")


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2))
