"""The checks, each of a device: on a card they tell what is to be known of it, on a CPU that they run themselves.

A check raises AssertionError, and gives a line of what it measured. References are computed on the CPU in float32.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sweep.data.texts import texts_in_memory
from sweep.evaluation import device_blocks, device_ranks
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.device_ranks import exact_ranks_on, rank_parallel_on
from sweep.evaluation.encode import encode
from sweep.evaluation.monolingual_ranks import exact_ranks
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.scoring import passage_texts, question_texts
from sweep.model.encoder import TokenBatch
from sweep.model.packing import PackedBatch, pack
from sweep.model.vocabulary import restrict_vocabulary
from sweep.training.gradients import GradientSum
from sweep.training.tokens import training_tokens
from sweep.training.watch import Paused
from tests.gpu.material import (
    CPU,
    Bench,
    accelerator_on,
    benchmark_of,
    retriever_of,
    size_for,
    train_settings,
    training_data,
)

FLOAT32 = 2e-5  # of embeddings of length 1
BF16_COSINE = 0.99
FIRST_LOSS = 1e-4  # relative, before any update
LOSS = 1e-3  # relative, of a training: Adam makes whole steps of what rounding leaves of tiny gradients
GRADIENT = 1e-4  # of the largest one


def _embeddings(device: torch.device, cache: Path, precision: str) -> np.ndarray:
    size = size_for(torch.device("cuda") if torch.cuda.is_available() else CPU)
    with accelerator_on(device) as accelerator:
        bench = Bench(size, cache, accelerator, precision=precision)
        texts, _ = texts_in_memory([bench.data.texts[number] for number in range(len(bench.data.texts))])
        return encode(bench.retriever, texts, "passage", accelerator).embedding_uh


def float32_embeddings_are_those_of_the_cpu(device: torch.device, cache: Path) -> str:
    """To 2e-5: products are not shortened to TF32."""
    assert not torch.backends.cuda.matmul.allow_tf32
    apart = float(np.abs(_embeddings(device, cache, "float32") - _embeddings(CPU, cache, "float32")).max())
    assert apart < FLOAT32, apart
    return f"largest difference {apart:.1e}"


def bf16_embeddings_are_near_those_of_the_cpu(device: torch.device, cache: Path) -> str:
    """By their cosine; and they are not those of float32."""
    low_uh, high_uh = _embeddings(device, cache, "bf16"), _embeddings(CPU, cache, "float32")
    assert not np.array_equal(low_uh, high_uh)
    cosine = float((low_uh * high_uh).sum(1).min())
    assert cosine > BF16_COSINE, cosine
    return f"smallest cosine {cosine:.5f}"


def packed_batches_are_padded_ones(device: torch.device, cache: Path) -> str:
    """One row of all sequences: by our attention (SDPA, sequences of one length together), by transformers' SDPA with
    a mask of blocks, and by FlashAttention where that is installed; embeddings and gradients."""
    lines = []
    for family in ("bert", "xlmr"):
        retriever = retriever_of(size_for(device), training_data(size_for(device)), cache, family)
        encoder = retriever.encoder.to(device)
        rng = np.random.default_rng(0)
        ids = [rng.integers(8, 100, length) for length in (5, 40, 3, 5, 17, 64, 40, 1)]
        packed = pack(ids, encoder.backbone, device)
        wide = max(map(len, ids))
        input_ids_bt = torch.tensor([[*one, *[retriever.tokenizer.pad_token_id] * (wide - len(one))] for one in ids])
        mask_bt = torch.tensor([[1] * len(one) + [0] * (wide - len(one)) for one in ids])
        padded_bh, gradient = _with_gradient(encoder, TokenBatch(input_ids_bt.to(device), mask_bt.to(device)))
        packed_bh, packed_gradient = _with_gradient(encoder, packed)
        apart = float((packed_bh - padded_bh).abs().max())
        assert apart < FLOAT32, (family, apart)
        assert float((packed_gradient - gradient).abs().max() / gradient.abs().max()) < GRADIENT, family
        masked_bh = _by_mask_of_blocks(encoder, packed)
        assert float((masked_bh - padded_bh).abs().max()) < FLOAT32, family
        lines.append(f"{family} {apart:.1e}")
    return ", ".join(lines)


def _with_gradient(encoder: torch.nn.Module, batch: TokenBatch | PackedBatch) -> tuple[Tensor, Tensor]:
    encoder.zero_grad()
    embedding_bh = encoder(batch)
    weight_bh = torch.randn(embedding_bh.shape, generator=torch.Generator().manual_seed(1))
    (embedding_bh * weight_bh.to(embedding_bh.device)).sum().backward()
    gradients = [weight.grad.ravel() for weight in encoder.parameters() if weight.grad is not None]
    return embedding_bh.detach(), torch.cat(gradients)


def _by_mask_of_blocks(encoder: torch.nn.Module, packed: PackedBatch) -> Tensor:
    """Mean-pooled embeddings of a row whose tokens see their own sequence alone."""
    lengths = [length for number, length in packed.groups for _ in range(number)]
    own_n = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).to(packed.input_ids_1n.device)
    output = encoder.backbone(
        input_ids=packed.input_ids_1n,
        position_ids=packed.position_1n,
        attention_mask=(own_n[:, None] == own_n)[None, None],
    )
    parts = torch.split(output.last_hidden_state[0], lengths)
    pooled_bh = torch.stack([part.mean(0) for part in parts])[packed.place_b]
    return torch.nn.functional.normalize(pooled_bh, dim=-1).detach()


def flash_attention_is_padding(device: torch.device, cache: Path) -> str:
    """transformers' variable-length FlashAttention on a row of sequences, in bf16. Raises ModuleNotFoundError without
    it."""
    import flash_attn

    size = size_for(device)
    retriever = retriever_of(size, training_data(size), cache, precision="bf16")
    encoder = retriever.encoder.to(device)
    ids = [np.arange(8, 8 + length) for length in (5, 40, 3, 64)]
    packed = pack(ids, encoder.backbone, device)
    reference_bh = encoder(packed).detach()
    encoder.backbone.set_attn_implementation("flash_attention_2")
    with torch.autocast(device.type, dtype=torch.bfloat16):
        output = encoder.backbone(input_ids=packed.input_ids_1n, position_ids=packed.position_1n)
    lengths = [length for number, length in packed.groups for _ in range(number)]
    pooled_bh = torch.stack([part.float().mean(0) for part in torch.split(output.last_hidden_state[0], lengths)])
    cosine = torch.cosine_similarity(pooled_bh[packed.place_b], reference_bh).min()
    assert cosine > BF16_COSINE, cosine
    return f"flash_attn {flash_attn.__version__}, smallest cosine {cosine:.5f}"


def gradient_caching_is_the_plain_step(device: torch.device, cache: Path) -> str:
    """With dropout: both passes draw the same."""
    gradients = {}
    for cached in (False, True):
        with accelerator_on(device) as accelerator:
            bench = Bench(size_for(device), cache, accelerator, dropout=0.1)
            settings = train_settings(bench.size, gradient_cache=cached)
            bench.retriever.encoder.train()
            torch.manual_seed(3)
            bench.step(settings)(bench.plan(settings).batch(1))
            weights = bench.retriever.encoder.parameters()
            gradients[cached] = torch.cat([weight.grad.ravel() for weight in weights if weight.grad is not None])
    apart = float((gradients[True] - gradients[False]).abs().max() / gradients[False].abs().max())
    assert apart < GRADIENT, apart
    return f"largest difference of a gradient {apart:.1e} of the largest one"


def a_restricted_vocabulary_trains_the_same(device: torch.device, cache: Path) -> str:
    """Losses of a training with the rows that occur, alone."""
    losses = {}
    for restricted in (False, True):
        with accelerator_on(device) as accelerator:
            bench = Bench(size_for(device), cache, accelerator)
            if restricted:
                ids = [training_tokens(bench.data, role, bench.tokens).distinct() for role in ("query", "passage")]
                bench.retriever = restrict_vocabulary(bench.retriever, ids)
            losses[restricted] = bench.losses(train_settings(bench.size))
    np.testing.assert_allclose(losses[True], losses[False], rtol=LOSS)
    np.testing.assert_allclose(losses[True][0], losses[False][0], rtol=FIRST_LOSS)
    return f"{len(losses[True])} losses, the last {losses[True][-1]:.4f} and {losses[False][-1]:.4f}"


def a_training_has_the_losses_of_the_cpu(device: torch.device, cache: Path) -> str:
    """In float32 without dropout."""
    losses = {}
    for where in (device, CPU):
        with accelerator_on(where) as accelerator:
            bench = Bench(size_for(device), cache, accelerator)
            losses[where.type] = bench.losses(train_settings(bench.size))
    np.testing.assert_allclose(losses[device.type], losses["cpu"], rtol=LOSS)
    np.testing.assert_allclose(losses[device.type][0], losses["cpu"][0], rtol=FIRST_LOSS)
    assert losses["cpu"][-1] < losses["cpu"][0]
    return f"first {losses[device.type][0]:.4f}, last {losses[device.type][-1]:.4f}"


def a_compiled_encoder_is_the_plain_one(device: torch.device, cache: Path, backend: str = "inductor") -> str:
    """Embeddings and a step's loss."""
    found = []
    for compiled in (False, True):
        with accelerator_on(device) as accelerator:
            bench = Bench(size_for(device), cache, accelerator)
            if compiled:
                bench.retriever.encoder.compile_backbone(backend)
            settings = train_settings(bench.size)
            found.append(bench.step(settings)(bench.plan(settings).batch(0)).cpu())
    torch.testing.assert_close(found[1], found[0], atol=1e-3, rtol=1e-3)
    return f"mean loss {float(found[1].mean()):.4f} and {float(found[0].mean()):.4f}"


def a_resumed_training_ends_the_same(device: torch.device, cache: Path, folder: Path) -> str:
    """Paused in the middle and gone on with in a new one, with dropout. On a CPU the weights have the same bits; on a
    card the sums of some kernels have no fixed order, so losses agree to a tolerance."""
    with accelerator_on(device) as accelerator:
        whole = Bench(size_for(device), cache, accelerator, dropout=0.1)
        settings = train_settings(whole.size)
        expected = whole.losses(settings)
        first = Bench(size_for(device), cache, accelerator, dropout=0.1)
        done: list[bool] = []

        def in_the_middle() -> bool:
            done.append(True)
            return len(done) == settings.steps // 2

        try:
            first.losses(settings, folder, should_pause=in_the_middle)
            raise AssertionError("the training was not paused")
        except Paused:
            pass
        second = Bench(size_for(device), cache, accelerator, dropout=0.1)
        losses = second.losses(settings, folder, attempt=2)
    assert len(losses) == settings.steps - settings.steps // 2
    np.testing.assert_allclose(losses, expected[settings.steps // 2 :], rtol=LOSS)
    ours, theirs = second.weights(), whole.weights()
    same = all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert same or device.type != "cpu"
    return "the same bits" if same else "within the tolerance, not the same bits"


# Ranks -------------------------------------------------------------------------------------------------------------


def _same(one: Ranking, other: Ranking) -> bool:
    assert one.pooled is not None
    assert other.pooled is not None
    names = ("rank_qr", "top_language_q", "top_relevant_q", "units_qk")
    pairs = [(getattr(one.pooled, name), getattr(other.pooled, name)) for name in names]
    return all(np.array_equal(a, b) for a, b in [*pairs, (one.own_qr, other.own_qr)])


def ranks_are_those_of_the_cpu(device: torch.device, cache: Path) -> str:
    """Of embeddings from the device, whose products lie near to each other: the ranks that the same exact arithmetic
    gives on the CPU, to the last one; and those of the CPU's own way but where its float32 rounding decides."""
    size = size_for(device)
    with accelerator_on(device) as accelerator:
        bench = Bench(size, cache, accelerator)
        made = benchmark_of(size)
        queries, text_q = question_texts(made)
        passages, text_d = passage_texts(made)
        query_qh = encode(bench.retriever, queries, "query", accelerator).embedding_uh[text_q]
        passage_uh = encode(bench.retriever, passages, "passage", accelerator).embedding_uh
    passage_uh[1::5] = passage_uh[::5][: len(passage_uh[1::5])]  # other texts with the same embedding
    there = rank_parallel_on(device, made, query_qh, passage_uh, text_d)
    assert _same(there, rank_parallel_on(CPU, made, query_qh, passage_uh, text_d))
    assert _same(there, rank_parallel(made, query_qh, passage_uh, text_d, device)) or device.type == "cpu"
    on_cpu = rank_parallel(made, query_qh, passage_uh, text_d)
    assert on_cpu.pooled is not None
    assert there.pooled is not None
    moved_qr = np.abs(on_cpu.pooled.rank_qr.astype(int) - there.pooled.rank_qr)
    figures = [
        float(np.nanmean(rank_cells(one, {("pooled", "map")})[0]["pooled", "map"].value_cg))
        for one in (there, on_cpu)
    ]
    assert abs(figures[0] - figures[1]) < 1e-3, figures
    relevant_qr = np.array([rows[:1] for rows in made.relevant_q])
    own = exact_ranks_on(device, query_qh, passage_uh, text_d, relevant_qr)
    assert np.array_equal(own, exact_ranks_on(CPU, query_qh, passage_uh, text_d, relevant_qr))
    assert (
        np.abs(own.astype(int) - exact_ranks(query_qh, passage_uh, text_d, relevant_qr)).max() <= moved_qr.max() + 2
    )
    return f"{there.own_qr.size:,} ranks; float32 on the CPU moves {(moved_qr > 0).mean():.2%} of them"


def ranks_need_no_more_memory_than_there_is(device: torch.device, cache: Path) -> str:
    """Blocks are halved until they fit: all but 64 MB of the card are taken before. On a CPU the allocation is one
    that no machine can give."""
    made = benchmark_of(size_for(device))
    rng = np.random.default_rng(0)
    query_qh, passage_dh = (
        rng.normal(size=(number, 64)).astype(np.float32) for number in (len(made.questions), len(made.passages))
    )
    numbers = np.arange(len(passage_dh))
    expected = rank_parallel_on(CPU, made, query_qh, passage_dh, numbers)
    asked: list[int] = []
    plain, fitting = device_blocks.products, device_ranks.rows_that_fit

    def products(query_bh: Tensor, passage_ch: Tensor) -> Tensor:
        asked.append(len(query_bh))
        if len(query_bh) > 16:
            free = device_blocks.free_bytes(device)
            torch.empty(2**60 if free is None else free + 2**30, dtype=torch.uint8, device=device)
        return plain(query_bh, passage_ch)

    device_blocks.products, device_ranks.rows_that_fit = products, lambda columns, where: 128
    try:
        assert _same(rank_parallel_on(device, made, query_qh, passage_dh, numbers), expected)
    finally:
        device_blocks.products, device_ranks.rows_that_fit = plain, fitting
    assert min(asked) <= 16 < max(asked)
    return f"{max(asked)} questions at a time, then {min(asked)}"


# Ranks of a process group -----------------------------------------------------------------------------------------


def one_rank_adds_up_to_itself(device: torch.device, folder: Path) -> str:
    """Gradients through the buckets and the collective calls of a group of one: NCCL on a card, gloo on a CPU."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, init_method=f"file://{folder}/group", rank=0, world_size=1)
    try:
        model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Linear(64, 8)).to(device)
        batch_bh = torch.randn(16, 32, generator=torch.Generator().manual_seed(0)).to(device)
        model(batch_bh).square().mean().backward()
        expected = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
        model.zero_grad()
        sums = GradientSum(model.parameters(), ranks=2, bucket_bytes=4096)  # as if there were others
        with sums.last_pass():
            model(batch_bh).square().mean().backward()
        sent = sums.sent
        sums.finish()
        sums.close()
        assert sent > 1
        for weight, gradient in zip(model.parameters(), expected, strict=True):
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, gradient, atol=1e-6, rtol=1e-5)
    finally:
        torch.distributed.destroy_process_group()
    return f"{backend}, {sent} buckets"
