"""LoRA: adapters are trained, and the encoder's own weights stay as they are (Hu et al. 2021, arXiv 2106.09685)."""

from importlib.util import find_spec
from typing import Any

import torch

from sweep.errors import InputError
from sweep.model.encoder import Retriever
from sweep.settings import LoraSettings


class Adapters:
    """Adapters of a retriever's encoder, which is changed in place; everything else of it is frozen.

    An adapter of a linear layer adds alpha / rank * B(A(x)) to its output. B begins with zeros, so the encoder gives
    the same embeddings at first; `seed` draws A. Raises InputError if peft is missing, or for modules that the
    encoder does not have.
    """

    def __init__(self, retriever: Retriever, settings: LoraSettings, seed: int) -> None:
        check_peft()
        from peft import LoraConfig, LoraModel

        targets = settings.target_modules
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules="all-linear" if targets is None else list(targets),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                self._model: Any = LoraModel(retriever.encoder.backbone, config, "default")
            except ValueError as error:
                names = " ".join(targets or ())
                raise InputError(
                    f"model.lora.target_modules: no adapter can be put to [{names}] ({error})"
                ) from error
        if retriever.encoder.head is not None:
            retriever.encoder.head.requires_grad_(False)
        parameters = list(retriever.encoder.parameters())
        self.trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        self.full_size = sum(parameter.numel() for parameter in parameters)

    def merge(self) -> None:
        """Add the adapters to the weights that they belong to: the encoder is a plain one again."""
        self._model.merge_and_unload()


def check_peft() -> None:
    """Raises InputError if LoRA is asked for and peft is not there."""
    if find_spec("peft") is None:
        raise InputError("model.lora needs peft: pip install 'multilingual-ratio-sweep[peft]'")
