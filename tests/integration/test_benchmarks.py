"""The benchmarks run, on small pools: they check themselves that all sides measured the same thing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.postgres import running_server, why_not
from transformers import XLMRobertaConfig, XLMRobertaModel

from sweep.model.tokenizer import unigram_tokenizer

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(name: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, FOLDER / name, *options], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_scoring_agrees_with_its_peers() -> None:
    printed = run("evaluation.py", "--groups", "60", "--repeats", "1")
    for side in ("ours", "st", "faiss"):
        assert f"\n{side}" in printed


def test_the_calibration_prints_every_rate_with_its_error() -> None:
    printed = run("calibration.py", "--studies", "3", "--seeds", "2", "--pruned", "2")
    assert printed.count("| any pair differs after Holm | 0.") == 4
    assert printed.count(" ± ") == 4 * 16 + 3 * 3


def test_a_large_pool_is_searched_and_a_killed_build_goes_on() -> None:
    printed = run("large_pool.py", "--passages", "20000", "--questions", "100", "--block", "2500", "--kill")
    assert "nothing was built twice, and all ranks are those of the build that was not killed" in printed


def test_training_steps_are_those_of_the_peer(assets: Path, cache: Path, tmp_path: Path) -> None:
    tokenizer = unigram_tokenizer(("cats", "dogs"), 300, cache)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    data = str(assets / "data" / "mlqa-r")
    options = ("--model", str(tmp_path), "--data", data, "--steps", "4", "--repeats", "1", "--variants", "given")
    lines = run("training.py", *options).splitlines()
    losses = {
        side: [float(figure) for figure in line.split()[-2:]]
        for side in ("ours", "st")
        for line in lines
        if line.startswith(side + " ") and len(line.split()) == 7
    }
    assert losses["ours"] == pytest.approx(losses["st"], rel=2e-3)  # both without dropout


def test_a_large_corpus_is_read_and_trained_from() -> None:
    printed = run("large_corpus.py", "--rows", "2800", "--few", "1400", "--steps", "14", "--repeats", "1")
    assert "times the CPU time of datasets; 5,600 distinct texts" in printed
    assert "a step on 2,800 rows takes" in printed


def test_near_copies_are_compared_with_those_of_min_hash() -> None:
    assert "ratio" in run("near_copies.py", "--texts", "2000", "--reference", "500")


def test_what_a_trial_costs_the_server_is_counted() -> None:
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        printed = run("capacity.py", "--storage", server.url(), "--trials", "3")
    measured = json.loads(printed.splitlines()[-1])
    assert measured["checkpoint_bytes"] > 12 * measured["parameters"]  # the weights, and Adam's two moments
    assert min(measured["per_trial"][side][0] for side in ("this tool", "study.optimize")) > 1


def test_what_a_gpu_is_measured_by_runs_on_a_cpu() -> None:
    printed = run("gpu.py", "--device", "cpu", "--small", "--steps", "1", "--repeats", "1")
    for part in (
        "step, as it is",
        "step, gradient cache",
        "encode, bf16",
        "times the steps of",
        "ranks on cpu, float32",
    ):
        assert part in printed
