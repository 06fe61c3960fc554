"""A trained retriever as a folder that others load: `AutoModel`, `AutoTokenizer`, and `SentenceTransformer(path)`."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from sweep.model.encoder import Retriever
from sweep.model.own_code import has_own_code
from sweep.model.published_pooling import pooling_config
from sweep.records.files import replacing_folder

# Module paths and fields that every sentence-transformers since 2.0 reads.
MODULES = "sentence_transformers.models"


# A matrix (h, h) and an offset (h) that a normalised embedding of a language goes through.
LanguageMaps = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


def export(retriever: Retriever, folder: Path, card: str, maps: LanguageMaps = MappingProxyType({})) -> None:
    """Write the retriever with its pooling, normalisation and prompts, and a model card. The folder is there as a
    whole or not at all. sentence-transformers knows one maximal length: the longer of questions' and passages'.

    With `maps` an embedding goes through its language's, and is normalised again. Users give the language as the
    `task` of `encode`; without one, or with another language, sentence-transformers refuses.
    """
    with replacing_folder(folder) as draft:
        _write_all(retriever, draft, card, maps)


def _write_all(retriever: Retriever, draft: Path, card: str, maps: LanguageMaps) -> None:
    retriever.encoder.backbone.save_pretrained(draft)
    retriever.tokenizer.save_pretrained(draft)
    settings = retriever.settings
    prompts = {"query": settings.query_prefix, "document": settings.passage_prefix}
    pools = ["Dense"] if settings.pooling == "pooler" else []
    head = retriever.encoder.head
    layers = [] if head is None else [kind for kind, _ in head.plan]
    kinds = ["Transformer", "Pooling", *pools, *layers, "Normalize"]
    if maps:
        kinds += ["Router", "Normalize"]
    paths = ["", *(f"{place}_{kind}" for place, kind in enumerate(kinds) if place)]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{MODULES}.{kind}"}
        for place, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    length = max(settings.max_query_tokens, settings.max_passage_tokens)
    _write(draft / "modules.json", modules)
    _write(draft / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    _write(draft / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})
    _write(
        draft / "1_Pooling" / "config.json", pooling_config(retriever.encoder.modes, retriever.encoder.hidden_size)
    )
    if head is not None:
        for place in range(len(layers)):
            head.write(place, draft / paths[2 + len(pools) + place])
    for path, kind in zip(paths, kinds, strict=True):
        if kind == "Normalize":
            (draft / path).mkdir(exist_ok=True)
    if settings.pooling == "pooler":
        dense = retriever.encoder.backbone.pooler.dense
        _write_dense(dense.weight, dense.bias, "torch.nn.modules.activation.Tanh", draft / "2_Dense")
    if maps:
        _write_router(maps, draft / paths[-2])
    (draft / "README.md").write_text(card + _warning(retriever.encoder.backbone))


def _warning(backbone: Any) -> str:
    """For the card of a model whose own code transformers 5 does not load as it was meant (see `fill_buffers`)."""
    if not has_own_code(backbone):
        return ""
    names = " ".join(f"`{name}`" for name, _ in backbone.named_non_persistent_buffers())
    return (
        names
        and f"""
## Loading

The code of this model computes {names} when it is built. transformers 5 does not keep that, and sentence-transformers
then gives wrong embeddings without a message. Load it with transformers 4, or fill them after loading:

```python
from sweep.model.own_code import fill_buffers

fill_buffers(model[0].auto_model, model[0].auto_model.config)  # model = SentenceTransformer(...)
```
"""
    )


def _write_dense(weight: Tensor, bias: Tensor, activation: str, folder: Path) -> None:
    """A dense layer as sentence-transformers has it."""
    size = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    _write(folder / "config.json", {**size, "bias": True, "activation_function": activation})
    weights = {"linear.weight": weight, "linear.bias": bias}
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in weights.items()}, folder / "model.safetensors"
    )


def _write_router(maps: LanguageMaps, folder: Path) -> None:
    """A dense layer for every language, chosen by the `task` that a text is encoded with."""
    names = {language: f"{language}_0_Dense" for language in maps}
    config = {
        "types": dict.fromkeys(names.values(), f"{MODULES}.Dense"),
        "structure": {language: [name] for language, name in names.items()},
        "parameters": {"default_route": None, "allow_empty_key": False},
    }
    _write(folder / "router_config.json", config)
    for language, (matrix_hh, offset_h) in maps.items():
        weight, bias = torch.from_numpy(matrix_hh), torch.from_numpy(offset_h)
        _write_dense(weight, bias, "torch.nn.modules.linear.Identity", folder / names[language])


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
