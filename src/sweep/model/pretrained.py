"""A pretrained encoder from a Hugging Face folder or hub name."""

import errno
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.utils import logging

from sweep.errors import OUT_OF_MEMORY, InputError, SweepError, is_out_of_memory
from sweep.model.encoder import Encoder, Retriever
from sweep.model.ernie_m.conversion import converted, is_published
from sweep.model.ernie_m.split_pieces import ErnieMPieceTokenizer
from sweep.model.head import Head
from sweep.model.loading import load_config, load_tokenizer, source
from sweep.model.lora import check_peft
from sweep.model.own_code import fill_buffers, has_own_code
from sweep.model.requirements import auto_class, check_before_loading, check_parts, refuse_unasked_code
from sweep.model.resolution import head_weights, is_pooler, resolved_model
from sweep.model.sentence_transformers_folder import read_folder
from sweep.model.tokenizer import lower_cased
from sweep.settings import HfModel

# Its report of unused weights reads like a failure; what matters of it is checked below.
logging.set_verbosity_error()  # type: ignore[no-untyped-call]
logging.disable_progress_bar()  # type: ignore[no-untyped-call]

FAULTS_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE)

# What the architectures call the dropout of hidden states and of attention weights.
DROPOUT_NAMES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "dropout_rate",
    "dropout",
)


class Pretrained:
    """Any Hugging Face encoder, by folder or hub name."""

    def check(self, settings: HfModel) -> None:
        """A quick look, before any trial starts, at whether the model can be found. Raises InputError."""
        check_pretrained(settings)

    def build(self, settings: HfModel, training_texts: Sequence[str], cache: Path, seed: int) -> Retriever:
        """The model as it is published. Raises InputError naming `model.path`."""
        return load_pretrained(settings, cache)

    def word_embeddings(self, settings: HfModel, cache: Path) -> Tensor:
        """The published weights of all word embeddings (v, h)."""
        weight: Tensor = load_pretrained(settings, cache).encoder.backbone.get_input_embeddings().weight
        return weight


def load_pretrained(settings: HfModel, cache: Path) -> Retriever:
    """Any `AutoModel` encoder, weights in float32. An ERNIE-M is converted first, into the cache. Raises InputError
    naming `model.path`."""
    try:
        _find(settings)
        refuse_unasked_code(settings)
        settings = cast(HfModel, resolved_model(settings))
        config = load_config(settings)
        for name in DROPOUT_NAMES:
            if settings.dropout is not None and hasattr(config, name):
                setattr(config, name, settings.dropout)
        if getattr(config, "use_cache", False):
            config.use_cache = False  # a decoder's keys and values of all layers, for a next token that never comes
        tokenizer = load_tokenizer(settings)
        backbone, report = _load_backbone(settings, config, cache)
        check_parts(settings, tokenizer, backbone)
        if has_own_code(backbone):
            fill_buffers(backbone, config)
    except SweepError:
        raise
    except Exception as error:
        raise _cannot_load(settings, error) from error
    tokenizer.padding_side = "right"  # as batches are padded here: an exported copy must not do it otherwise
    pools = settings.pooling == "pooler"
    if pools and getattr(backbone, "pooler", None) is None:
        raise InputError(f"model.pooling=pooler: {settings.path} has no pooler; choose mean or cls")
    missing = sorted(name for name in report["missing_keys"] if pools or not name.startswith("pooler."))
    if missing:
        raise InputError(f"model.path={settings.path}: its weights lack {missing[0]} ({len(missing)} are missing)")
    if pools:
        _check_pooler(settings, backbone)
    else:
        _drop_pooler(backbone)
    if isinstance(tokenizer, ErnieMPieceTokenizer):  # it has no types of tokens; XLM-R has one, of zeros here
        backbone.embeddings.token_type_embeddings.requires_grad_(False)
    if settings.lower_case:
        lower_cased(tokenizer)
    head = _load_head(settings) if settings.head == "folder" else None
    return Retriever(Encoder(backbone, settings.pooling, settings.precision, head), tokenizer, settings)


def _load_backbone(settings: HfModel, config: Any, cache: Path) -> tuple[Any, Any]:
    """The encoder, and transformers' report of what its weights lack."""
    where, of_source = settings.path, source(settings)
    if is_published(settings.path, settings.revision):
        where, of_source = str(converted(settings, cache)), {}
    loaded: tuple[Any, Any] = auto_class(config).from_pretrained(
        where, **of_source, config=config, dtype=torch.float32, output_loading_info=True
    )
    return loaded


def _load_head(settings: HfModel) -> Head:
    """The layers behind the pooling, as the folder has them."""
    layers = read_folder(settings.path, settings.revision).layers
    try:
        head = Head(tuple((layer.kind, layer.config) for layer in layers))
        for module, layer in zip(head, layers, strict=True):
            if module.state_dict():
                module.load_state_dict(_layer_weights(settings, layer.folder))
    except SweepError:
        raise
    except Exception as error:
        raise _cannot_load(settings, error) from error
    return head


def _layer_weights(settings: HfModel, folder: str) -> dict[str, Tensor]:
    file = head_weights(settings, folder)
    if file.suffix == ".safetensors":
        return load_file(file)
    weights: dict[str, Tensor] = torch.load(file, "cpu", weights_only=True)
    return weights


def _check_pooler(settings: HfModel, backbone: Any) -> None:
    """Raises InputError if sentence-transformers would take a dense layer of other weights than the pooler's."""
    if not Path(settings.path).is_dir():
        return  # a name on the hub, whose other files need not be at hand
    published = read_folder(settings.path, settings.revision)
    if not is_pooler(settings, published):
        return
    own = backbone.pooler.dense
    for name, weight in _layer_weights(settings, published.layers[0].folder).items():
        if not torch.allclose(weight.float(), getattr(own, name.removeprefix("linear.")), atol=1e-6):
            raise InputError(
                f"model.pooling=pooler: the dense layer of {settings.path} is not its pooler; set model.pooling=auto"
            )


def _drop_pooler(backbone: Any) -> None:
    """The pooler's output is not used here; unused parameters would stall gradient synchronisation."""
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None


def check_pretrained(settings: HfModel) -> None:
    """Look at everything but the weights, before any trial starts. Raises InputError."""
    try:
        _find(settings)
        check_before_loading(settings)
    except SweepError:
        raise
    except Exception as error:
        raise _cannot_load(settings, error) from error


def _find(settings: HfModel) -> None:
    """Raises InputError if there is no such folder, or no library for what is asked for."""
    if settings.lora is not None:
        check_peft()
    folder = Path(settings.path)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(
                f"model.path={settings.path}: the folder has no config.json; is it a Hugging Face model?"
            )
    elif folder.is_absolute() or settings.path.startswith((".", "~")) or settings.path.count("/") > 1:
        raise InputError(f"model.path={settings.path}: no such folder")


def _cannot_load(settings: HfModel, error: Exception) -> Exception:
    """Whatever transformers, its file formats or the model's own code raise, as one line; the error itself if it is
    the disk's, which is no fault of the model."""
    if isinstance(error, OSError) and error.errno in FAULTS_OF_DISKS:
        return error
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    if is_out_of_memory(error):
        return InputError(f"model.path={settings.path}: cannot be loaded: {OUT_OF_MEMORY} ({reason})")
    if isinstance(error, UnpicklingError):
        return InputError(
            f"model.path={settings.path}: its weights are a pickle that holds more than weights, which is not run "
            "here; convert them to safetensors"
        )
    return InputError(
        f"model.path={settings.path}: cannot be loaded ({reason}). Give the folder of a Hugging Face encoder, "
        "or a hub name while the hub can be reached"
    )
