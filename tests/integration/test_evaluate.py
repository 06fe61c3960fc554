"""`python -m sweep.evaluate` and `sweep.compare` on collections on disk, with a small model in the hub's layout."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tests.conftest import Sweep
from tests.integration.word_encoder import WORDS, save_word_encoder

from sweep.evaluation.cells import rank_cells
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.summarise import summarise
from sweep.records.folder import StudyFolder
from sweep.settings.overrides import assignment

pytestmark = pytest.mark.slow

PASSAGES = 400


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A small randomly initialised encoder: it matches words, which is enough to rank."""
    return save_word_encoder(tmp_path_factory.mktemp("model"), cache)


def text(rng: np.random.Generator, size: int) -> str:
    return " ".join(rng.choice(WORDS, size))


def beir(folder: Path, languages: tuple[str, ...], passages: int = PASSAGES) -> Path:
    """The same queries, and corpora of their own, in every language; two relevant passages a query, one graded 2."""
    for code in languages:
        rng = np.random.default_rng([ord(letter) for letter in code])
        (folder / code / "qrels").mkdir(parents=True)
        bodies = [text(rng, 8) for _ in range(passages)]
        corpus = [{"_id": f"d{place}", "title": "", "text": body} for place, body in enumerate(bodies)]
        queries = [{"_id": f"q{place}", "text": bodies[place]} for place in range(20)]
        judged = [
            (f"q{place}", f"d{target}", grade)
            for place in range(20)
            for target, grade in ((place, 2), (place + 50, 1))
        ]
        (folder / code / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus))
        (folder / code / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
        lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in judged)]
        (folder / code / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def options(model: Path, collection: Path, *more: str) -> tuple[str, ...]:
    lengths = ("model.max_query_tokens=16", "model.max_passage_tokens=16", "model.query_prefix=''", "threads=1")
    names = (
        "model=hf",
        f"model.path={model}",
        "evaluation=beir",
        f"evaluation.path={collection}",
        "evaluation.name=toy",
    )
    return *names, "model.passage_prefix=''", *lengths, *more


def test_a_collection_is_scored_and_its_ranks_give_the_metrics_again(
    sweep: Sweep, model: Path, tmp_path: Path
) -> None:
    done = sweep(*options(model, beir(tmp_path / "toy", ("sw", "yo")), "output=all.json"), module="sweep.evaluate")
    assert done.returncode == 0, done.stderr
    assert "toy: 40 questions, 800 candidates" in done.stdout
    assert "nDCG@10" in done.stdout
    metrics = json.loads((tmp_path / "all.json").read_text())
    assert metrics["toy/mono/recall@10/sw"] >= 0.5  # the passage with the query's very words
    assert not any(key.split("/")[1] in ("cross", "pooled", "agreement", "geometry") for key in metrics)
    details = json.loads((tmp_path / "all.evaluation.json").read_text())
    low, high = details["intervals"]["toy/mono/ndcg@10/sw"]
    assert low <= metrics["toy/mono/ndcg@10/sw"] <= high
    assert details["search"] == {"index": "exact", "depth": None}
    ranking, tiers = read_ranking(tmp_path / "all.ranks.parquet")
    table, counts = rank_cells(ranking)
    again = summarise("toy", table, counts, {}, tiers)
    assert again.metrics == metrics
    assert {key: list(value) for key, value in again.intervals.items()} == details["intervals"]


def test_several_benchmarks_are_scored_at_once_and_compared_each(sweep: Sweep, model: Path, tmp_path: Path) -> None:
    for name, languages in (("toy", ("sw", "yo")), ("more", ("sw", "ha"))):
        beir(tmp_path / name, languages, 80)
    second = (
        "+evaluation@benchmarks.more=beir", f"benchmarks.more.path={tmp_path / 'more'}", "benchmarks.more.name=more",
        "languages.evaluate=[yo,sw]",
    )  # fmt: skip
    for output in ("one.json", "same.json"):
        done = sweep(*options(model, tmp_path / "toy", *second, f"output={output}"), module="sweep.evaluate")
        assert done.returncode == 0, done.stderr
    assert done.stdout.index("toy: 40 questions, 160 candidates") < done.stdout.index("more: 20 questions, 80 ")
    assert "ranks: same.ranks.parquet, same.ranks.more.parquet" in done.stdout
    metrics = json.loads((tmp_path / "one.json").read_text())
    assert {key.split("/")[0] for key in metrics} == {"toy", "more"}
    details = json.loads((tmp_path / "one.evaluation.json").read_text())
    assert details["benchmarks"]["more"]["search"] == details["search"] == {"index": "exact", "depth": None}
    ranking, tiers = read_ranking(tmp_path / "one.ranks.more.parquet")
    again = summarise("more", *rank_cells(ranking), {}, tiers).metrics
    assert again == {key: value for key, value in metrics.items() if key.startswith("more/")}
    both = sweep("one.json", "same.json", module="sweep.compare")
    assert both.returncode == 0, both.stderr
    assert both.stdout.index("toy: 40 translation groups") < both.stdout.index("more: 20 translation groups")
    # Scored anew without the second benchmark, whose ranks still lie there.
    assert sweep(*options(model, tmp_path / "toy", "output=same.json"), module="sweep.evaluate").returncode == 0
    only = sweep("one.json", "same.json", module="sweep.compare")
    assert "more: " not in only.stdout


def test_a_search_with_a_depth_leaves_out_what_needs_more(sweep: Sweep, model: Path, tmp_path: Path) -> None:
    collection = beir(tmp_path / "toy", ("sw",))
    results = {}
    for index in ("flat", "ivf"):
        search = (f"evaluation.search.index={index}", "evaluation.search.depth=50", "evaluation.search.probes=50")
        done = sweep(*options(model, collection, *search, f"output={index}.json"), module="sweep.evaluate")
        assert done.returncode == 0, done.stderr
        results[index] = json.loads((tmp_path / f"{index}.json").read_text()), done.stdout
    for index, (metrics, said) in results.items():
        assert not {"toy/mono/map", "toy/mono/recall@100"} & metrics.keys()
        assert "Not computed, needing more depth than was searched: map, recall@100." in said
        assert f"Searched to depth 50 with FAISS {index}" in said
    assert "all passages compared" in results["flat"][1]
    assert "approximate: some passages may be missed" in results["ivf"][1]
    # All clusters are probed, so only the rounding of near ties may differ.
    assert results["flat"][0]["toy/mono/ndcg@10"] == pytest.approx(results["ivf"][0]["toy/mono/ndcg@10"], abs=0.02)


def test_parallel_queries_are_ranked_across_languages(sweep: Sweep, model: Path, tmp_path: Path) -> None:
    collection = beir(tmp_path / "toy", ("sw", "yo"), passages=100)
    done = sweep(
        *options(model, collection, "evaluation.protocol=parallel", "output=all.json"), module="sweep.evaluate"
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "all.json").read_text())
    for key in ("cross/map/sw-yo", "pooled/alignment_consistency", "agreement/rbo/sw-yo", "geometry/mexa/sw-yo"):
        assert f"toy/{key}" in metrics
    refused = sweep(
        *options(model, collection, "evaluation.protocol=parallel", "evaluation.search.index=flat"),
        module="sweep.evaluate",
    )
    assert refused.returncode == 2
    assert "protocol=parallel ranks all languages together and needs search.index=exact" in refused.stderr


def test_one_language_has_no_alignment_and_what_is_no_candidate_is_counted(
    sweep: Sweep, model: Path, tmp_path: Path
) -> None:
    """Queries are passages of the corpus under their own ids, and two texts are there twice."""
    folder = beir(tmp_path / "toy", ("sw",), passages=100) / "sw"
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    rows += [{**rows[place], "_id": f"q{place}"} for place in range(20)]
    rows += [{**rows[place], "_id": f"copy{place}"} for place in (50, 51)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = {}
    for ignore in (True, False):
        changed = ("evaluation.protocol=parallel", f"evaluation.ignore_identical_ids={ignore}", "output=all.json")
        done = sweep(*options(model, folder.parent, *changed), module="sweep.evaluate")
        assert done.returncode == 0, done.stderr
        results[ignore] = done.stdout, json.loads((tmp_path / "all.json").read_text())
    output, metrics = results[True]
    assert "toy: 20 of 20 questions have a passage of their own id, which is no candidate for them" in output
    assert "toy: unjudged exact copies of relevant passages: 2, for 2 of 20 questions; they count as" in output
    assert "alignment" not in output
    assert not {key.split("/")[2] for key in metrics} & {"alignment_consistency", "rank_distance", "same_language@1"}
    assert not {key.split("/")[1] for key in metrics} & {"cross", "agreement"}
    assert "own id" not in results[False][0]
    # Where the query's own passage is a candidate, it is one more copy of the relevant passage.
    assert "toy: unjudged exact copies of relevant passages: 22, for 20 of 20 questions" in results[False][0]


KILLED = """
import os, signal, sys
from sweep.evaluation import encode
put = encode._OnDisk.put

def put_and_die(store, *shard):
    put(store, *shard)
    if store._file.parent.name == "passage":
        os.kill(os.getpid(), signal.SIGKILL)

encode._OnDisk.put = put_and_die
from sweep.evaluate import main
main(sys.argv[1:])
"""


def test_a_killed_evaluation_goes_on(model: Path, tmp_path: Path, cache: Path) -> None:
    """SIGKILL after the first finished shard of passages: those embeddings are not made again."""
    command = options(model, beir(tmp_path / "toy", ("sw",), passages=30_000), "output=all.json")
    environment = {**os.environ, "SWEEP_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}

    def run(*how: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, *how, *command]
        return subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    killed = run("-c", KILLED)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (marks,) = (tmp_path / "cache/embeddings").glob("*/*/passage/shards.json")
    assert list(json.loads(marks.read_text())["truncated"]) == ["0"]
    embeddings = marks.with_name("embeddings.npy")
    kept = np.array(np.load(embeddings)[:4096])
    first = np.load(embeddings, mmap_mode="r+")
    first[0] = np.eye(32, dtype=np.float32)[0]  # to see that nobody writes there again
    first.flush()
    known = json.loads(marks.read_text())
    known["digests"]["0"] = hashlib.sha256(np.array(first[:4096]).data).hexdigest()
    marks.write_text(json.dumps(known))
    done = run("-m", "sweep.evaluate")
    assert done.returncode == 0, done.stderr
    after = np.load(embeddings)
    assert (after[0] == np.eye(32, dtype=np.float32)[0]).all()
    assert (after[1:4096] == kept[1:]).all()
    assert np.abs(after).sum(1).all()


def test_bad_collections_are_one_message(sweep: Sweep, model: Path, tmp_path: Path) -> None:
    collection = beir(tmp_path / "toy", ("sw",), passages=60)
    corpus = collection / "sw" / "corpus.jsonl"
    corpus.write_text(corpus.read_text() + "{broken\n")
    done = sweep(*options(model, collection), module="sweep.evaluate")
    assert done.returncode == 2
    assert f"{corpus}:61: Invalid JSON" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_metrics_are_listed(sweep: Sweep) -> None:
    done = sweep("--list-metrics", module="sweep.evaluate")
    assert done.returncode == 0
    for word in ("alignment_consistency", "Pitfall", "agree_correct@1", "language_probe", "arXiv"):
        assert word in done.stdout


def test_a_pretrained_study_is_compared_with_what_needs_no_training(
    sweep: Sweep, model: Path, tmp_path: Path, shared_mlflow: str
) -> None:
    study_of = (
        "languages=cldr_6", "model=hf", f"model.path={model}", "model.max_query_tokens=32", shared_mlflow,
        "model.max_passage_tokens=64", "study.name=tuned", "train.steps=20", "train.warmup_steps=1",
        "train.batch_size=8", "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12",
        "study.space={ratio.monolingual: {grid: [0.5, 1.0]}}", "study.seeds=[0,1]", "evaluation.debias=[lir]",
        "evaluation.debias_on=train", "study.export_debias=lir", "launcher.workers=1",
    )  # fmt: skip
    done = sweep(*study_of)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    for name in ("chance", "n-grams", "untouched", "center", "shift", "lir"):
        assert name in rows
    assert "How sure: cldr/pooled/alignment_consistency/low" in done.stdout
    assert "beat lir, which needs no training" in done.stdout
    study = tmp_path / "sweeps" / "tuned"
    baselines = StudyFolder(study).baselines()
    assert list(baselines) == ["chance", "n-grams", "untouched", "center", "shift", "lir"]
    trials = study / "trials"
    one = trials / "ratio.monolingual=1,seed=0"
    finished = [file.stat().st_mtime_ns for file in trials.glob("*/metrics.json")]
    assert len(finished) == 4
    for baseline in baselines.values():  # written by the first trial and left alone by the others
        assert baseline.metrics.stat().st_mtime_ns < min(finished)
    trained = min(file.stat().st_mtime_ns for file in trials.glob("*/losses.csv"))
    for name in ("chance", "n-grams"):  # no training waits for what needs no model
        assert baselines[name].metrics.stat().st_mtime_ns > trained
    assert "over questions and 2 seeds" in done.stdout
    metrics = json.loads((one / "metrics.json").read_text())
    plain = {key for key in metrics if not key.startswith("cldr+lir/")}
    assert json.loads(baselines["untouched"].metrics.read_text()).keys() == plain
    assert {key.replace("cldr/", "cldr+lir/") for key in plain} == metrics.keys() - plain
    of_trained = summarise("cldr", rank_cells(read_ranking(one / "ranks+lir.parquet")[0])[0], {}, {}, {}).metrics
    assert metrics["cldr+lir/pooled/map"] == of_trained["cldr/pooled/map"] != metrics["cldr/pooled/map"]
    (kept,) = trials.glob("*/model")
    assert (
        f"| mono mAP | {json.loads((kept.parent / 'metrics.json').read_text())['cldr+lir/mono/map']:.4f} |"
        in (kept / "README.md").read_text()
    )
    assert SentenceTransformer(str(kept), device="cpu").encode("x", task="bg").shape == (32,)
    path = assignment("model.path", str(kept))
    scored = sweep("model=hf", path, "evaluation=cldr", "languages=cldr_6", module="sweep.evaluate")
    assert scored.returncode == 2
    assert "it chooses layers by the task that a text is given with (a Router of " in scored.stderr
    compared = sweep(
        f"untrained={baselines['untouched'].path}", f"mono={trials}/ratio.monolingual=1,seed=0",
        f"hybrid={trials}/ratio.monolingual=0.5,seed=0", "--metric", "mono/map", "--metric", "agreement/rbo/low",
        "--output", "table.csv", module="sweep.compare",
    )  # fmt: skip
    assert compared.returncode == 0, compared.stderr
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["mono/map", "untrained", "mono"],
        ["mono/map", "untrained", "hybrid"],
        ["agreement/rbo/low", "untrained", "mono"],
        ["agreement/rbo/low", "untrained", "hybrid"],
    ]
