"""A trained retriever as a folder that others load: `AutoModel`, `AutoTokenizer`, and `SentenceTransformer(path)`."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from sweep.model.encoder import Retriever
from sweep.records.files import replacing_folder

# Module paths and fields that every sentence-transformers since 2.0 reads.
MODULES = "sentence_transformers.models"


def export(retriever: Retriever, folder: Path, card: str) -> None:
    """Write the retriever with its pooling, normalisation and prompts, and a model card. The folder is there as a
    whole or not at all. sentence-transformers knows one maximal length: the longer of questions' and passages'."""
    with replacing_folder(folder) as draft:
        _write_all(retriever, draft, card)


def _write_all(retriever: Retriever, draft: Path, card: str) -> None:
    retriever.encoder.backbone.save_pretrained(draft)
    retriever.tokenizer.save_pretrained(draft)
    settings = retriever.settings
    pooling = {
        "word_embedding_dimension": retriever.encoder.hidden_size,
        "pooling_mode_cls_token": settings.pooling != "mean",
        "pooling_mode_mean_tokens": settings.pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    prompts = {"query": settings.query_prefix, "document": settings.passage_prefix}
    kinds = ["Transformer", "Pooling", *(["Dense"] if settings.pooling == "pooler" else []), "Normalize"]
    paths = ["", *(f"{place}_{kind}" for place, kind in enumerate(kinds) if place)]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{MODULES}.{kind}"}
        for place, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    length = max(settings.max_query_tokens, settings.max_passage_tokens)
    _write(draft / "modules.json", modules)
    _write(draft / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    _write(draft / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})
    _write(draft / "1_Pooling" / "config.json", pooling)
    (draft / paths[-1]).mkdir()
    if settings.pooling == "pooler":
        _write_dense(retriever.encoder.backbone.pooler.dense, draft / "2_Dense")
    (draft / "README.md").write_text(card)


def _write_dense(dense: nn.Linear, folder: Path) -> None:
    """The model's own pooler as the dense layer that sentence-transformers puts after the pooling."""
    activation = "torch.nn.modules.activation.Tanh"
    size = {"in_features": dense.in_features, "out_features": dense.out_features}
    _write(folder / "config.json", {**size, "bias": True, "activation_function": activation})
    weights = {f"linear.{name}": value.detach().cpu().contiguous() for name, value in dense.named_parameters()}
    save_file(weights, folder / "model.safetensors")


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
