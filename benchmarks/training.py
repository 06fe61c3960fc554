"""Training steps against sentence-transformers' trainer, on the same pairs, in one run.

    python benchmarks/training.py --model FOLDER --data FOLDER [--steps 10] [--repeats 3] [--profile]

Both fine-tune the multilingual E5 in FOLDER on the same batches of 32 MLQA-R pairs (with prefixes, 96 tokens,
dropout on, AdamW in torch's fused kernel, learning rate 3e-5, temperature .05, one process, the same threads): ours
packed and with a restricted vocabulary, sentence-transformers with MultipleNegativesRankingLoss. Variants of the
model: as given, `full` with random rows of word embeddings added up to 250,037, and `xlmr_base`, a random model of
XLM-R base's shape. A third side, "all rows", is ours without the restricted vocabulary. Both compute in float32, or
in bf16 autocast (`--precision`, `--peer-precision`), with weights and optimizer in float32.

Each run is a process of its own, and sides take turns. CPU seconds are those of the steps after the first two; memory
is the peak of the whole process. Both sides' first and last losses are printed: they must fall alike. `--profile`
adds what the time of two steps goes to, by kind of operation, in one more run of each side.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from operations import PRODUCTS, Operations

BATCH, TOKENS, RATE, TEMPERATURE, WARM = 32, 96, 3e-5, 0.05, 2
FULL_ROWS = 250_037  # multilingual E5's vocabulary


@dataclass(frozen=True)
class Run:
    """CPU and wall seconds of a step (mean after the first two), peak bytes, and the losses of all steps;
    milliseconds a step by kind of operation if it was profiled."""

    cpu: float
    wall: float
    peak: int
    losses: list[float]
    kinds: dict[str, float]


class Clock:
    """Times of the steps after the first two, which are profiled if that is asked for."""

    def __init__(self, profiled: bool) -> None:
        self._ends: list[tuple[float, float]] = []
        self._profile = Operations() if profiled else None

    def tick(self) -> None:
        """A step ended."""
        self._ends.append((time.process_time(), time.perf_counter()))
        if self._profile is not None and len(self._ends) == WARM:
            self._profile.start()

    def run(self, losses: list[float]) -> Run:
        """What was measured, after the last step."""
        steps = len(self._ends) - WARM
        kinds = {} if self._profile is None else self._profile.stop(steps)
        return Run(*self.per_step(), _peak(), losses, kinds)

    def per_step(self) -> tuple[float, float]:
        """CPU and wall seconds of a step."""
        (cpu, wall), (last_cpu, last_wall) = self._ends[WARM - 1], self._ends[-1]
        steps = len(self._ends) - WARM
        return (last_cpu - cpu) / steps, (last_wall - wall) / steps


def settings_of(options: argparse.Namespace) -> Any:
    """The settings of a study that trains this model on these data, monolingually."""
    from sweep.settings.compose import Composer
    from sweep.settings.load import load_settings

    overrides = [
        "+experiment=reference", "model=me5_small", f"model.path={options.model}", f"data.path={options.data}",
        "data.max_questions=600",
        f"train.steps={options.steps}", "train.warmup_steps=0", f"train.batch_size={BATCH}", "train.log_every=1",
        f"train.learning_rate={RATE}", f"train.temperature={TEMPERATURE}", f"model.max_query_tokens={TOKENS}",
        f"model.max_passage_tokens={TOKENS}", "ratio.monolingual=1.0",
        f"train.tokens_per_pass={options.tokens_per_pass}", f"model.precision={options.precision}",
    ]  # fmt: skip
    return load_settings(Composer("sweep", overrides))


def ours(options: argparse.Namespace, restrict: bool = True) -> Run:
    """Our training loop; `restrict`: with the word embeddings that occur, alone."""
    import torch
    from accelerate import Accelerator

    from sweep.data.load import load_training_set
    from sweep.model.registry import build_retriever
    from sweep.model.token_cache import TokenCache
    from sweep.model.vocabulary import restrict_vocabulary
    from sweep.settings.cache import cache_folder
    from sweep.training.loop import Training
    from sweep.training.losses.registry import make_loss
    from sweep.training.plan import BatchPlan
    from sweep.training.step import ContrastiveStep
    from sweep.training.tokens import TokenTable, training_tokens
    from sweep.training.watch import Watch

    settings = settings_of(options)
    data = load_training_set(settings)
    retriever = build_retriever(settings.model, data.texts, cache_folder(settings.paths), 0)
    tokens = TokenCache(retriever, cache_folder(settings.paths) / "tokens", lambda note: None)
    if restrict:
        ids = [training_tokens(data, role, tokens).distinct() for role in ("query", "passage")]
        retriever = restrict_vocabulary(retriever, ids)
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    plan = BatchPlan(data, settings.ratio, BATCH, 0, options.steps)
    step = ContrastiveStep(
        retriever,
        TokenTable(retriever, data, tokens),
        settings.train,
        accelerator,
        make_loss(settings.loss, settings.train),
    )
    clock, losses = Clock(options.profile), []

    def note(point: Any) -> None:
        clock.tick()
        losses.append(point.loss)

    Training(step, retriever.encoder, plan, settings.train, accelerator).run(Watch(on_point=note))
    return clock.run(losses)


def sentence_transformers_side(options: argparse.Namespace) -> Run:
    """sentence-transformers' trainer on the batches of the same plan, in their order."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerModelCardData,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from torch.utils.data import SequentialSampler
    from transformers import TrainerCallback

    from sweep.data.load import load_training_set
    from sweep.training.plan import BatchPlan

    settings = settings_of(options)
    data = load_training_set(settings)
    plan = BatchPlan(data, settings.ratio, BATCH, 0, options.steps)
    rows = [
        {
            "anchor": settings.model.query_prefix + data.texts[question],
            "positive": settings.model.passage_prefix + data.texts[passage],
        }
        for step in range(options.steps)
        for question, passage in zip(plan.batch(step).question_b, plan.batch(step).passage_b, strict=True)
    ]
    # Without a dtype it would train in that of the file, float16, which takes minutes a step on a CPU.
    transformer = Transformer(options.model, max_seq_length=TOKENS, model_kwargs={"dtype": torch.float32})
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    # Examples for its model card take minutes, and the name of the base model is asked of the hub.
    card = SentenceTransformerModelCardData(generate_widget_examples=False, local_files_only=True)
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu", model_card_data=card)
    clock = Clock(options.profile)

    class Ticks(TrainerCallback):
        """Notes the end of each step."""

        def on_step_end(self, *_: object, **__: object) -> None:
            clock.tick()

    class InOrder(SentenceTransformerTrainer):
        """Takes the rows as they come."""

        def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, *_: Any, **__: Any) -> Any:
            return torch.utils.data.BatchSampler(SequentialSampler(dataset), batch_size, drop_last)

    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, max_steps=options.steps, per_device_train_batch_size=BATCH, learning_rate=RATE,
            weight_decay=settings.train.weight_decay, lr_scheduler_type="cosine", warmup_steps=0, logging_steps=1,
            save_strategy="no", report_to=[], use_cpu=True, seed=0, disable_tqdm=True,
            bf16=options.peer_precision == "bf16",
        )  # fmt: skip
        loss = MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE)
        trainer = InOrder(
            model=model, args=arguments, train_dataset=Dataset.from_list(rows), loss=loss, callbacks=[Ticks()]
        )
        torch.manual_seed(0)
        trainer.train()
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return clock.run(losses)


SIDES: dict[str, Callable[[argparse.Namespace], Run]] = {
    "ours": ours,
    "all rows": partial(ours, restrict=False),
    "st": sentence_transformers_side,
}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def variant_of(name: str, model: Path, folder: Path) -> Path:
    """A folder with the variant of the model; its tokenizer is the model's own."""
    from transformers import AutoModel, AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    if name == "given":
        return model
    if name == "full":
        backbone = AutoModel.from_pretrained(model)
        backbone.resize_token_embeddings(FULL_ROWS, mean_resizing=False)
    else:
        # Conneau et al. 2020, arXiv 1911.02116: the base model's shape.
        backbone = XLMRobertaModel(
            XLMRobertaConfig(
                vocab_size=250_002, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
                intermediate_size=3072, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
            )
        )  # fmt: skip
    backbone.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def in_process(side: str, model: Path, options: argparse.Namespace, profiled: bool = False) -> Run:
    """One side in a process of its own."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
    command = [sys.executable, __file__, "--side", side, "--model", str(model), "--data", str(options.data)]
    command += ["--steps", str(WARM + 2 if profiled else options.steps), *(["--profile"] if profiled else [])]
    command += ["--tokens-per-pass", str(options.tokens_per_pass)]
    command += ["--precision", options.precision, "--peer-precision", options.peer_precision]
    environment = {**os.environ, **limits, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def compare(options: argparse.Namespace, model: Path) -> None:
    """Run the sides in turn and print medians and ratios."""
    runs: dict[str, list[Run]] = {side: [] for side in options.sides}
    for repeat in range(options.repeats):
        for side in options.sides[:: -1 if repeat % 2 else 1]:
            run = in_process(side, model, options)
            runs[side].append(run)
            print(f"run {repeat + 1}  {side:<8} {run.cpu:6.2f} CPU s a step, {run.wall:6.2f} s wall", flush=True)
    titles = "CPU s/step", "wall s/step", "pairs/CPU s", "peak MB", "first loss", "last 3"
    print(" " * 8 + "".join(f"{title:>12}" for title in titles))
    for side, found in runs.items():
        cpu, wall, peak = (statistics.median(getattr(run, name) for run in found) for name in ("cpu", "wall", "peak"))
        first, last = found[0].losses[0], statistics.fmean(found[0].losses[-3:])
        figures = f"{cpu:12.2f}{wall:12.2f}{BATCH / cpu:12.2f}{peak / 2**20:12,.0f}{first:12.3f}{last:12.3f}"
        print(f"{side:<8}{figures}")
    for side in options.sides[:-1]:
        pairs = list(zip(runs[side], runs[options.sides[-1]], strict=True))
        faster = statistics.median(peer.cpu / own.cpu for own, peer in pairs)
        smaller = statistics.median(own.peak / peer.peak for own, peer in pairs)
        print(
            f"{side}: {faster:.2f} times the pairs per CPU second and {smaller:.2f} of the peak memory of "
            f"{options.sides[-1]}"
        )
    if options.profile:
        show_profiles({side: in_process(side, model, options, profiled=True) for side in options.sides})


def show_profiles(found: dict[str, Run]) -> None:
    """Milliseconds a step by kind of operation, and what matrix products alone leave as the best ratio."""
    profiles = {side: run.kinds for side, run in found.items()}
    for side, run in found.items():
        print(f"\n{side}, profiled: {run.cpu:.2f} CPU s a step, {run.wall:.2f} s wall", end="")
    totals = {side: sum(kinds.values()) for side, kinds in profiles.items()}
    print("\n\nms a step" + " " * 21 + "".join(f"{side:>18}" for side in profiles))
    for kind in next(iter(profiles.values())):
        cells = (f"{kinds[kind]:10.0f} ({kinds[kind] / totals[side]:4.0%})" for side, kinds in profiles.items())
        print(f"{kind:<30}" + "".join(f"{cell:>18}" for cell in cells))
    print(f"{'all':<30}" + "".join(f"{total:11.0f}       " for total in totals.values()))
    *own, peer = profiles
    for side in own:
        products = profiles[side][PRODUCTS]
        print(
            f"{side}: {totals[peer] / products:.2f} times the pairs of {peer} if it did nothing but matrix products"
        )


def main() -> None:
    """Compare the sides, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a multilingual E5-like encoder")
    parser.add_argument("--data", type=Path, required=True, help="folder of MLQA-R")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens-per-pass", type=int, default=4096)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32", help="of our sides")
    parser.add_argument("--peer-precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--profile", action="store_true", help="what the time goes to; best with --threads 1")
    parser.add_argument("--variants", nargs="+", choices=["given", "full", "xlmr_base"], default=["given", "full"])
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=["ours", "st"], help="the last: the peer")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is not None:
        print(json.dumps(asdict(SIDES[options.side](options))))
        return
    for name in options.variants:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\nmodel: {name}")
            compare(options, variant_of(name, options.model, Path(folder)))


if __name__ == "__main__":
    main()
