"""Data, encoders and trainings that are made here, without a download and without hydra: `conf/` is read as YAML."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.model.encoder import Encoder, Retriever
from sweep.model.token_cache import TokenCache
from sweep.model.tokenizer import unigram_tokenizer
from sweep.settings import InfoNceSettings, RatioSettings, TinyModel, TrainSettings
from sweep.training.checkpoint import Checkpoints
from sweep.training.loop import Training
from sweep.training.losses.registry import make_loss
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable
from sweep.training.watch import Watch

CONF = Path(__file__).parents[2] / "conf"
LANGUAGES = ("en", "sw", "th")
SYLLABLES = {
    "en": "an on ter ing st er la mo ti re",
    "sw": "wa ku na mba ji li ki to zo ya",
    "th": "กา มี รัก โต ไป ดี น้ำ ใจ ลม ฟ้า",
}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Size:
    """Of an encoder and its data: what a CPU has time for in a test, or what a card is worth."""

    layers: int
    hidden: int
    groups: int
    batch: int
    steps: int
    longest: int  # words of a passage


SMALL = Size(layers=2, hidden=32, groups=48, batch=8, steps=6, longest=24)
CARD = Size(layers=4, hidden=384, groups=200, batch=64, steps=12, longest=90)


def size_for(device: torch.device) -> Size:
    """A card gets the larger one."""
    return CARD if device.type == "cuda" else SMALL


def section(group: str, choice: str, **changes: Any) -> dict[str, Any]:
    """A choice of a config group, on what every choice of the group begins with."""
    whole: dict[str, Any] = {}
    for name in ("_base", choice):
        file = CONF / group / f"{name}.yaml"
        if file.is_file():
            whole |= yaml.safe_load(file.read_text(encoding="utf-8"))
    whole.pop("defaults", None)
    return whole | changes


def train_settings(size: Size, **changes: Any) -> TrainSettings:
    """Settings of a short training."""
    given = {
        "steps": size.steps, "batch_size": size.batch, "learning_rate": 1e-3, "warmup_steps": 2, "decay": "linear",
        "log_every": 1, "tokens_per_pass": 512, "checkpoint_minutes": 1000,
    }  # fmt: skip
    return TrainSettings(**section("train", "tiny", **(given | changes)))


def model_settings(size: Size, **changes: Any) -> TinyModel:
    """Settings of an encoder from scratch."""
    given = {
        "layers": size.layers, "hidden_size": size.hidden, "vocabulary_size": 400, "dropout": 0.0,
        "max_query_tokens": 32, "max_passage_tokens": 128,
    }  # fmt: skip
    return TinyModel(**section("model", "tiny", **(given | changes)))


def words(rng: np.random.Generator, language: str, number: int) -> str:
    """A text that looks like a language's, and is none."""
    syllables = SYLLABLES[language].split()
    return " ".join("".join(rng.choice(syllables, rng.integers(1, 4))) for _ in range(number))


def training_data(size: Size) -> TrainingSet:
    """Parallel questions and passages of all lengths; a question is a part of its passage."""
    rng, rows = np.random.default_rng(0), []
    for group in range(size.groups):
        for language in LANGUAGES:
            passage = words(rng, language, int(rng.integers(4, size.longest)))
            question = " ".join(passage.split()[: int(rng.integers(2, 5))]) + f" {group % 10}"
            rows.append(TrainingRow(f"g{group:04d}", language, question, passage))
    return training_set(rows, LANGUAGES)


def benchmark_of(size: Size) -> Benchmark:
    """Questions and passages in all languages; a group's passages are relevant to it."""
    rng, questions, passages = np.random.default_rng(1), [], []
    for group in range(size.groups):
        for language in LANGUAGES:
            passage = words(rng, language, int(rng.integers(4, size.longest)))
            questions.append(Question(f"g{group}", language, " ".join(passage.split()[:3])))
            passages.append(Passage(f"{group:05d}-{language}", language, passage, f"u{group}"))
    relevant = {f"g{group}": {f"{group:05d}-{language}": 1 for language in LANGUAGES} for group in range(size.groups)}
    return benchmark("made", LANGUAGES, questions, passages, relevant)


def retriever_of(size: Size, data: TrainingSet, cache: Path, family: str = "bert", **changes: Any) -> Retriever:
    """A random encoder, the same on every machine, with a tokenizer of the data."""
    settings = model_settings(size, **changes)
    tokenizer = unigram_tokenizer(data.texts, settings.vocabulary_size, cache)
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": settings.hidden_size, "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads, "intermediate_size": 4 * settings.hidden_size,
        "max_position_embeddings": 160, "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.dropout, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    torch.manual_seed(0)
    backbone: Any
    if family == "bert":
        backbone = BertModel(BertConfig(**shape), add_pooling_layer=False)
    else:
        backbone = XLMRobertaModel(XLMRobertaConfig(**shape), add_pooling_layer=False)
    return Retriever(Encoder(backbone, settings.pooling, settings.precision), tokenizer, settings)


@contextmanager
def accelerator_on(device: torch.device) -> Iterator[Accelerator]:
    """accelerate on this device, whatever it was on before."""
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        yield Accelerator(cpu=device.type == "cpu")
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


class Bench:
    """A retriever and its data on a device, with what trains it."""

    def __init__(self, size: Size, cache: Path, accelerator: Accelerator, **changes: Any) -> None:
        self.size, self.cache, self.accelerator = size, cache, accelerator
        self.data = training_data(size)
        self.retriever = retriever_of(size, self.data, cache, **changes)
        self.retriever.encoder.to(accelerator.device)
        self.tokens = TokenCache(self.retriever, cache / "tokens")

    def step(self, settings: TrainSettings) -> ContrastiveStep:
        """One training step."""
        loss = make_loss(InfoNceSettings(**section("loss", "info_nce")), settings)
        table = TokenTable(self.retriever, self.data, self.tokens)
        return ContrastiveStep(self.retriever, table, settings, self.accelerator, loss)

    def plan(self, settings: TrainSettings) -> BatchPlan:
        """Half of the batches monolingual."""
        ratio = RatioSettings(**section("ratio", "_base", monolingual=0.5))
        return BatchPlan(self.data, ratio, settings.batch_size, 0, settings.steps)

    def training(self, settings: TrainSettings, folder: Path | None = None, attempt: int = 1) -> Training:
        """The loop."""
        checkpoints = None if folder is None else Checkpoints(folder, "check", self.accelerator, attempt)
        step, plan = self.step(settings), self.plan(settings)
        return Training(step, self.retriever.encoder, plan, settings, self.accelerator, checkpoints)

    def losses(
        self, settings: TrainSettings, folder: Path | None = None, attempt: int = 1, **watch: Any
    ) -> list[float]:
        """Train, and give the loss of each step."""
        points: list[float] = []
        torch.manual_seed(7)
        self.training(settings, folder, attempt).run(Watch(on_point=lambda point: points.append(point.loss), **watch))
        return points

    def weights(self) -> dict[str, torch.Tensor]:
        """Copies of all weights on the CPU."""
        return {name: weight.detach().cpu().clone() for name, weight in self.retriever.encoder.state_dict().items()}
