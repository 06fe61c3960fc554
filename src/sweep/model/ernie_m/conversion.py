"""ERNIE-M's published weights, written once as an XLM-R that transformers loads, in the cache."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors.torch import save_file
from transformers import XLMRobertaConfig

from sweep.data.file_states import file_states
from sweep.errors import InputError, SweepError
from sweep.model.ernie_m.weights import read_weights, weights_file, xlmr_weights
from sweep.model.folder_files import model_file, model_json
from sweep.records.checksums import SUMS, damaged_file, digest_of, write_checksums
from sweep.records.files import replacing_folder
from sweep.records.surroundings import fault_of_surroundings
from sweep.settings import HfModel

MODEL_TYPE = "ernie_m"
LAYOUT_VERSION = "1"  # part of the folder's name: a change to the conversion makes old ones unused
PADDING = 1  # positions of tokens begin behind it, at 2, in both architectures

# What both configurations have, with the values that ERNIE-M's takes where it says nothing.
SHARED: dict[str, Any] = {
    "vocab_size": 250002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 514,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
}
# What XLM-R has no place for, with the only value that can be represented.
FIXED: dict[str, Any] = {
    "pad_token_id": PADDING,
    "act_dropout": 0.0,
    "position_embedding_type": "absolute",
    "is_decoder": False,
}


def is_published(path: str, revision: str | None) -> bool:
    """Whether a folder or repository has an ERNIE-M as it was published, with its own names."""
    config = model_json(path, "config.json", revision)
    return isinstance(config, dict) and config.get("model_type") == MODEL_TYPE


def xlmr_config(path: str, revision: str | None) -> XLMRobertaConfig:
    """The configuration of the XLM-R that has the same outputs. Raises InputError if there is none."""
    published = model_json(path, "config.json", revision)
    for name, value in FIXED.items():
        if published.get(name, value) != value:
            raise InputError(
                f"model.path={path}: its config.json has {name}={published[name]}, and only {value} can be read here"
            )
    shared = {name: published.get(name, value) for name, value in SHARED.items()}
    return XLMRobertaConfig(
        **shared,
        pad_token_id=PADDING,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        architectures=["XLMRobertaModel"],
    )


def converted(settings: HfModel, cache: Path) -> Path:
    """The folder of the converted model, which is named by the content of the published files.

    Safe when several processes ask for it at once: one converts, the others wait. A conversion that is killed leaves
    nothing that counts, and a damaged one is made again. Raises InputError for files that cannot be converted, and
    for a cache that nothing can be written to.
    """
    path, revision = settings.path, settings.revision
    config = xlmr_config(path, revision)
    weights = weights_file(path, revision)
    described = model_file(path, "config.json", revision)
    assert described is not None
    key = "\0".join([LAYOUT_VERSION, *(_digest(*file_states([file])[0]) for file in (described, weights))])
    folder = cache / "ernie_m" / hashlib.sha256(key.encode()).hexdigest()[:24]
    if _is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not _is_whole(folder):  # another process may have made it meanwhile
                with replacing_folder(folder) as draft:
                    _convert(weights, config, path, draft)
    except SweepError:
        raise
    except Exception as error:
        fault = fault_of_surroundings(error)
        if fault is None:
            raise
        raise InputError(
            f"model.path={path}: its weights cannot be converted into {folder.parent}: {fault}; choose another "
            "folder: paths.cache=DIR, or the environment variable SWEEP_CACHE"
        ) from error
    return folder


def _convert(weights: Path, config: XLMRobertaConfig, path: str, draft: Path) -> None:
    config.save_pretrained(draft)
    tensors = xlmr_weights(read_weights(weights), config, path)
    save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
    files = ("config.json", "model.safetensors")
    write_checksums(draft, {name: digest_of(draft / name) for name in files})


def _is_whole(folder: Path) -> bool:
    """Whether all of the folder's files are as they were written."""
    files = [folder / name for name in ("config.json", "model.safetensors", SUMS)]
    return all(file.is_file() for file in files) and _is_undamaged(folder, *file_states(files))


@lru_cache(maxsize=8)
def _is_undamaged(folder: Path, *states: tuple[str, int, int]) -> bool:
    """Looked at once in a process for each state of the files."""
    return damaged_file(folder) is None


@lru_cache(maxsize=8)
def _digest(file: str, size: int, changed_ns: int) -> str:
    """Of a file's content, computed once in a process while its size and time of change are the same."""
    return digest_of(Path(file))
