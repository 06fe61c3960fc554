"""`+experiment=paper`, the published setting, on small stand-ins in the layouts of its data."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.unit.test_judged import json_lines, miracl
from tests.unit.test_model import of_family
from tests.unit.test_squad import write as write_squad

from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

NAMES = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "hi": "hindi", "ru": "russian", "zh": "chinese",
}  # fmt: skip
XQUAD = ("el", "en", "th", "zh")
MLQA = ("de", "en", "vi")
GROUPS = 8


def mmarco(folder: Path) -> None:
    """Queries that a passage each answers, and mined negatives, as on the hub."""
    for code, name in NAMES.items():
        for file, text in (("collections/{}_collection", "moss"), ("queries/train/{}_queries.train", "what is moss")):
            target = folder / "data/google" / f"{file.format(name)}.tsv"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(f"{number}\t{text} {code} {number}\n" for number in range(GROUPS)))
    triples = "".join(f"{number}\t{number}\t{(number + 1) % GROUPS}\n" for number in range(GROUPS))
    (folder / "data/triples.train.ids.small.tsv").write_text(triples)


def squad(folder: Path, languages: tuple[str, ...], about: str) -> None:
    folder.mkdir()
    for code in languages:
        paragraphs = []
        for number in range(4):
            context = f"{about} {code} {number}. Far from {about}."
            breaks = [[0, context.index(".") + 1], [context.index(".") + 2, len(context)]]
            question = {
                "id": f"q{number}",
                "question": f"which {about} {code} {number}?",
                "answers": [{"answer_start": 0}],
            }
            paragraphs.append({"context": context, "sentence_breaks": breaks, "qas": [question]})
        write_squad(folder, **{code: {"data": [{"paragraphs": paragraphs}]}})


def test_the_published_setting_runs_on_stand_ins(
    sweep: Sweep, tmp_path: Path, cache: Path, shared_mlflow: str
) -> None:
    of_family("xlmr", tmp_path / "model", cache)
    mmarco(tmp_path / "mmarco")
    squad(tmp_path / "xquad", XQUAD, "fern")
    squad(tmp_path / "mlqa", MLQA, "tide")
    for code in ("sw", "te"):
        documents = [
            {"docid": f"{code}{number}#0", "title": "", "text": f"heron {code} {number}"} for number in range(6)
        ]
        topics = "".join(f"{number}\theron {number} of {code}?\n" for number in range(3))
        judged = "".join(f"{number}\tQ0\t{code}{number}#0\t1\n" for number in range(3))
        miracl(tmp_path / "miracl", code, topics, judged, (json_lines(documents),))
    done = sweep(
        "+experiment=paper", "model.path=model", "data.path=mmarco", "evaluation.path=xquad",
        "benchmarks.mlqa_r.path=mlqa", "benchmarks.miracl.path=miracl", "train.steps=2", "train.warmup_steps=0",
        "train.batch_size=4", "model.max_query_tokens=12", "model.max_passage_tokens=12", "study.seeds=[0]",
        "study.baselines=[untouched]", "launcher.workers=1", "launcher.threads=1", shared_mlflow,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = StudyFolder(tmp_path / "sweeps/paper")
    trials = [f"ratio.monolingual={ratio},seed=0" for ratio in ("0", "0.5", "1")]
    assert all(folder.trial(key).read_result() is not None for key in trials)
    metrics = json.loads(folder.trial(trials[0]).metrics.read_text())
    # What the paper's tables have: mAP by pool and the rank distance, and for MIRACL nDCG@10 and recall@100.
    for benchmark in ("xquad_r", "mlqa_r"):
        assert {f"{benchmark}/{pool}/map" for pool in ("mono", "cross", "pooled")} <= metrics.keys()
        assert f"{benchmark}/pooled/rank_distance" in metrics
    assert {"miracl/mono/ndcg@10", "miracl/mono/recall@100"} <= metrics.keys()
    parts = Counter(key.rpartition("/")[2] for key in metrics if key.startswith("xquad_r/mono/map/"))
    assert {"seen", "unseen", "th"} <= parts.keys()
    for name in ("xquad_r", "mlqa_r", "miracl"):
        assert f"{name}: one seed" in done.stdout
    assert "Best by xquad_r/pooled/map (maximize)" in done.stdout
