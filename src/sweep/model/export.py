"""A trained retriever as a folder that others load: `AutoModel`, `AutoTokenizer`, and `SentenceTransformer(path)`."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from sweep.model.encoder import Retriever

# Module paths and fields that every sentence-transformers since 2.0 reads.
MODULES = (
    ("", "sentence_transformers.models.Transformer"),
    ("1_Pooling", "sentence_transformers.models.Pooling"),
    ("2_Normalize", "sentence_transformers.models.Normalize"),
)


def export(retriever: Retriever, folder: Path, card: str) -> None:
    """Write the retriever with its pooling, normalisation and prompts, and a model card. The folder is there as a
    whole or not at all. sentence-transformers knows one maximal length: the longer of questions' and passages'."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    retriever.encoder.backbone.save_pretrained(draft)
    retriever.tokenizer.save_pretrained(draft)
    settings = retriever.settings
    pooling = {
        "word_embedding_dimension": retriever.encoder.hidden_size,
        "pooling_mode_cls_token": settings.pooling == "cls",
        "pooling_mode_mean_tokens": settings.pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    prompts = {"query": settings.query_prefix, "document": settings.passage_prefix}
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": kind} for place, (path, kind) in enumerate(MODULES)
    ]
    length = max(settings.max_query_tokens, settings.max_passage_tokens)
    _write(draft / "modules.json", modules)
    _write(draft / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    _write(draft / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})
    _write(draft / "1_Pooling" / "config.json", pooling)
    (draft / "2_Normalize").mkdir()
    (draft / "README.md").write_text(card)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
