"""Losses beside InfoNCE: each against loops from its definition, and in a training."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from tests.unit.test_model import of_family
from tests.unit.test_training import SMALL, prepared, trained
from torch import Tensor
from torch.nn.functional import normalize

from sweep.data.load import load_training_set
from sweep.errors import InputError
from sweep.model.encoder import ROLES, Retriever
from sweep.model.registry import build_retriever
from sweep.model.resolution import resolved
from sweep.model.token_cache import TokenCache
from sweep.model.vocabulary import restrict_vocabulary
from sweep.run.models import check_teachers
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.losses.clear import Clear
from sweep.training.losses.distill import Distill
from sweep.training.losses.info_nce import InfoNce
from sweep.training.losses.protocol import Embeddings, LossBatch, Targets
from sweep.training.losses.registry import make_loss
from sweep.training.losses.translation import TranslationRanking
from sweep.training.needs import NOTHING
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.teacher import make_teacher
from sweep.training.tokens import TokenTable, training_tokens
from sweep.training.watch import Paused, Watch

TEMPERATURE = 0.3
QUESTION = [10, 11, 12, 13, 10, 15]  # texts: the first and the fifth group ask the same
TRANSLATION = [20, 21, -1, 23, 24, 21]  # the second and the last have the same translation; the third has none
PASSAGE = [30, 31, 32, 20, 34, 35]  # the fourth passage is the first question's translation
RELEVANT = {(1, 0), (3, 4)}  # (question, passage) of two other groups
PRESENT = [0, 1, 3, 4, 5]
ROWS, HARD = 6, 2


def vectors(size: int, width: int = 5) -> Tensor:
    return normalize(torch.randn(size, width, dtype=torch.float64), dim=-1)


def example(seed: int = 0) -> tuple[Embeddings, LossBatch]:
    torch.manual_seed(seed)
    has_b = torch.tensor(TRANSLATION) >= 0
    query_bh, candidate_ch, translation_bh = vectors(ROWS), vectors(ROWS + HARD), vectors(ROWS) * has_b[:, None]
    has_query_b, has_passage_b = torch.tensor([1, 1, 0, 1, 1, 1]).bool(), torch.tensor([1, 0, 1, 1, 1, 1]).bool()
    targets = Targets(
        vectors(ROWS) * has_query_b[:, None], vectors(ROWS) * has_passage_b[:, None], has_query_b, has_passage_b
    )
    negative_bc = torch.tensor([[(i, j) not in RELEVANT and i != j for j in range(ROWS + HARD)] for i in range(ROWS)])
    texts = (torch.tensor(one) for one in (QUESTION, PASSAGE, TRANSLATION))
    batch = LossBatch("monolingual", (("en", "en"),) * ROWS, negative_bc, *texts)
    leaves = (part.clone().requires_grad_() for part in (query_bh, candidate_ch, translation_bh))
    return Embeddings(*leaves, targets), batch


def likelihoods(anchor: Tensor, others: Tensor, i: int, allowed: list[int]) -> dict[int, float]:
    weight = {
        j: math.exp(float(anchor[i].detach() @ others[j].detach()) / TEMPERATURE) for j in sorted({i, *allowed})
    }
    return {j: one / sum(weight.values()) for j, one in weight.items()}


def divergence(one: dict[int, float], other: dict[int, float]) -> float:
    return sum(share * math.log(share / other[j]) for j, share in one.items())


def plain(embeddings: Embeddings, batch: LossBatch) -> Tensor:
    return InfoNce(TEMPERATURE)(embeddings, batch).detach()


def further_translation(embeddings: Embeddings, i: int) -> float:
    query, translation = embeddings.query_bh, embeddings.translation_bh
    assert translation is not None
    texts = [{QUESTION[j], TRANSLATION[j]} for j in range(ROWS)]
    allowed = [j for j in PRESENT if not texts[i] & texts[j]]
    there, back = likelihoods(query, translation, i, allowed), likelihoods(translation, query, i, allowed)
    return -(math.log(there[i]) + math.log(back[i])) / 2


def test_translation_ranking_is_its_definition() -> None:
    embeddings, batch = example()
    loss_b = TranslationRanking(InfoNce(TEMPERATURE), 0.7)(embeddings, batch).detach()
    first_b = plain(embeddings, batch)
    for i in range(ROWS):
        further = further_translation(embeddings, i) if i in PRESENT else 0
        assert float(loss_b[i]) == pytest.approx(float(first_b[i]) + 0.7 * further)
    assert float(loss_b[0]) != pytest.approx(float(first_b[0]), abs=1e-2)


def slow_clear(embeddings: Embeddings, i: int) -> tuple[float, float]:
    """The reversed loss and the divergence of a row."""
    query, passage, translation = embeddings.query_bh, embeddings.candidate_ch, embeddings.translation_bh
    assert translation is not None
    allowed = [
        j for j in PRESENT if (j, i) not in RELEVANT and TRANSLATION[j] not in (TRANSLATION[i], PASSAGE[i]) and j != i
    ]
    reverse = likelihoods(passage, translation, i, allowed)
    both = [j for j in allowed if (i, j) not in RELEVANT]
    return -math.log(reverse[i]), divergence(
        likelihoods(passage, translation, i, both), likelihoods(query, passage, i, both)
    )


def test_clear_is_its_definition() -> None:
    embeddings, batch = example()
    loss_b = Clear(InfoNce(TEMPERATURE), 0.4, 0.25)(embeddings, batch).detach()
    first_b = plain(embeddings, batch)
    for i in range(ROWS):
        reverse, apart = slow_clear(embeddings, i) if i in PRESENT else (0, 0)
        assert float(loss_b[i]) == pytest.approx(0.35 * float(first_b[i]) + 0.4 * reverse + 0.25 * apart)
    other_b = Clear(InfoNce(TEMPERATURE), 0.25, 0.4)(embeddings, batch)
    assert not torch.allclose(other_b, loss_b, atol=1e-2)


@pytest.mark.parametrize("pivot", [None, "en"])
def test_distances_to_the_teacher_are_their_definition(pivot: str | None) -> None:
    embeddings, batch = example()
    targets = embeddings.targets
    assert targets is not None
    loss_b = Distill(InfoNce(TEMPERATURE), 0.7, pivot, "embeddings")(embeddings, batch).detach()
    first_b = plain(embeddings, batch)
    for i in range(ROWS):
        apart = 0.0
        for own, target, has in (
            (embeddings.query_bh, targets.query_bg, targets.has_query_b),
            (embeddings.candidate_ch, targets.passage_bg, targets.has_passage_b),
        ):
            apart += (1 - float(own[i].detach() @ target[i])) if has[i] else 0
        assert float(loss_b[i]) == pytest.approx(float(first_b[i]) + 0.7 * apart)
    assert not torch.allclose(loss_b, first_b, atol=1e-2)


def test_similarities_to_the_teachers_are_their_definition() -> None:
    embeddings, batch = example()
    targets = embeddings.targets
    assert targets is not None
    wider = targets._replace(query_bg=vectors(ROWS, 9), passage_bg=vectors(ROWS, 9))
    loss = Distill(InfoNce(TEMPERATURE), 0.7, None, "similarities")
    loss_b = loss(embeddings._replace(targets=wider), batch).detach()
    first_b = plain(embeddings, batch)
    there = [j for j in range(ROWS) if targets.has_passage_b[j]]

    def shares(query: Tensor, passage: Tensor, i: int) -> dict[int, float]:
        weight = {j: math.exp(float(query[i].detach() @ passage[j].detach()) / TEMPERATURE) for j in there}
        return {j: one / sum(weight.values()) for j, one in weight.items()}

    for i in range(ROWS):
        apart = divergence(
            shares(wider.query_bg, wider.passage_bg, i), shares(embeddings.query_bh, embeddings.candidate_ch, i)
        )
        apart = apart if targets.has_query_b[i] else 0
        assert float(loss_b[i]) == pytest.approx(float(first_b[i]) + 0.7 * apart)
    same = targets._replace(query_bg=embeddings.query_bh.detach(), passage_bg=embeddings.candidate_ch[:ROWS].detach())
    none_b = LOSSES["similarities"](embeddings._replace(targets=same), batch)
    torch.testing.assert_close(none_b.detach(), first_b)  # a teacher that agrees


LOSSES = {
    "clear": Clear(InfoNce(TEMPERATURE), 0.4, 0.2),
    "translation": TranslationRanking(InfoNce(TEMPERATURE), 0.5),
    "distances": Distill(InfoNce(TEMPERATURE), 1.0, None, "embeddings"),
    "similarities": Distill(InfoNce(TEMPERATURE), 1.0, "en", "similarities"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_and_rows_without_a_translation_get_none(name: str) -> None:
    embeddings, batch = example()
    LOSSES[name](embeddings, batch).mean().backward()
    for part in embeddings[:2]:
        assert part.grad.isfinite().all()
        assert part.grad.any()
    if name in ("clear", "translation"):
        assert embeddings.translation_bh is not None
        gradient = embeddings.translation_bh.grad
        assert gradient is not None
        assert gradient.isfinite().all()
        assert [bool(row.any()) for row in gradient] == [one >= 0 for one in TRANSLATION]


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_any_translation_has_no_further_loss(name: str) -> None:
    embeddings, batch = example()
    none_b = torch.full((ROWS,), -1)
    no_b = torch.zeros(ROWS, dtype=torch.bool)
    assert embeddings.targets is not None
    targets = embeddings.targets._replace(has_query_b=no_b, has_passage_b=no_b)
    bare = LossBatch(batch.kind, batch.pairs, batch.negative_bc, batch.question_b, batch.passage_b, none_b)
    loss_b = LOSSES[name](embeddings._replace(targets=targets), bare)
    share = 0.4 if name == "clear" else 1.0
    torch.testing.assert_close(loss_b, share * plain(embeddings, batch))
    loss_b.mean().backward()
    assert embeddings.query_bh.grad is not None
    assert embeddings.query_bh.grad.isfinite().all()


# In a training ----------------------------------------------------------------------------------------------------

TRAINED = {
    "clear": ("loss=clear",),
    "translation": ("loss=translation",),
    "retention": ("loss=distill",),
    "pivot": ("loss=distill", "loss.target=language_agnostic", "loss.pivot=en", "loss.compare=similarities"),
}
WITHOUT = {
    "clear": ("loss=clear", "loss.reverse_weight=0", "loss.divergence_weight=0"),
    "translation": ("loss=translation", "loss.weight=0"),
    "retention": ("loss=distill", "loss.weight=0"),
}
SHORT = ("train.steps=4", "train.tokens_per_pass=128", "model.dropout=0.1", "model.layers=1", "model.hidden_size=32")


def weights(retriever: Retriever) -> Tensor:
    return torch.cat([parameter.detach().ravel() for parameter in retriever.encoder.parameters()])


@pytest.mark.parametrize("name", WITHOUT)
def test_a_weight_of_nothing_is_info_nce_to_the_bit(cache: Path, name: str) -> None:
    training, retriever, _ = prepared(cache, *SHORT, *WITHOUT[name])
    assert training._step._loss.needs == NOTHING
    training.run(Watch())
    alone, _, _ = trained(cache, *SHORT)
    assert torch.equal(weights(retriever), weights(alone))


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_differs_repeats_and_goes_on_to_the_bit(cache: Path, tmp_path: Path, name: str) -> None:
    """And has the same losses with the gradient cache."""
    whole, points, _ = trained(cache, *SHORT, *TRAINED[name])
    alone, _, _ = trained(cache, *SHORT)
    assert not torch.allclose(weights(whole), weights(alone), atol=1e-4)
    training, _, _ = prepared(cache, *SHORT, *TRAINED[name], folder=tmp_path, attempt=1)
    with pytest.raises(Paused):
        training.run(Watch(should_pause=iter((False, True)).__next__))
    training, resumed, _ = prepared(cache, *SHORT, *TRAINED[name], folder=tmp_path, attempt=2)
    training.run(Watch())
    assert torch.equal(weights(resumed), weights(whole))
    _, cached, _ = trained(cache, *SHORT, *TRAINED[name], "train.gradient_cache=true")
    assert [point.loss for point in cached] == pytest.approx([point.loss for point in points], rel=1e-3)


def test_translations_are_counted_among_the_tokens(cache: Path) -> None:
    found = {}
    for name in ("info_nce", "translation", "retention"):
        training, _, _ = prepared(cache, *SHORT, *TRAINED.get(name, ()))
        exposure = training.run(Watch()).exposure
        found[name] = exposure.tokens
        assert exposure.rows == 4 * 16
    assert found["info_nce"] == found["retention"]  # nothing is trained on what the teacher reads
    assert found["info_nce"] is not None
    assert found["translation"] is not None
    assert 1.1 * found["info_nce"] < found["translation"] < 2 * found["info_nce"]


# The teacher ------------------------------------------------------------------------------------------------------


def taught(*overrides: str) -> Settings:
    own = SMALL[:-1] if "model=hf" in overrides else SMALL
    return resolved(load_settings(Composer("sweep", [*own, "loss=distill", *overrides])))


def test_an_untouched_teacher_has_the_embeddings_before_training(cache: Path) -> None:
    """Whatever training has made of the encoder since, and whatever its dropout is."""
    training, retriever, settings = prepared(cache, *SHORT, "loss=distill", "train.learning_rate=0.01")
    data, batch, teacher = training._plan.data, training._plan.batch(2), training._step._teacher
    assert teacher is not None
    before = teacher(batch)
    fresh = build_retriever(settings.model, data.texts, cache, settings.seed)
    fresh.encoder.eval()
    texts = data.texts.read(batch.question_b)
    with torch.no_grad():
        expected = fresh.encoder(fresh.collate(fresh.tokenize(texts, "query").ids))
        torch.testing.assert_close(before.query_bg, expected, atol=1e-5, rtol=1e-5)
    training.run(Watch())
    assert torch.equal(teacher(batch).query_bg, before.query_bg)
    with torch.no_grad():
        after = retriever.encoder.eval()(retriever.collate(retriever.tokenize(texts, "query").ids))
    assert not torch.allclose(after, before.query_bg, atol=1e-2)
    assert before.has_query_b.all()


def test_an_untouched_teacher_has_the_whole_vocabulary(cache: Path, tmp_path: Path) -> None:
    """Before any training a student with a part of it is where its teacher is, and afterwards it is not."""
    of_family("xlmr", tmp_path / "model", cache)
    settings = taught(
        "model=hf", f"model.path={tmp_path / 'model'}", "model.dropout=0.0",
        "model.max_query_tokens=12", "model.max_passage_tokens=12",
    )  # fmt: skip
    data = load_training_set(settings)
    student = build_retriever(settings.model, data.texts, cache, 0)
    tokens = TokenCache(student, tmp_path / "tokens")
    student = restrict_vocabulary(student, (training_tokens(data, role, tokens).distinct() for role in ROLES))
    assert student.vocabulary is not None
    assert len(student.vocabulary.kept) < student.vocabulary.full_size
    accelerator = Accelerator(cpu=True)
    teacher = make_teacher(settings, student, data, cache, accelerator)
    batch = BatchPlan(data, settings.ratio, 16, 0, 10).batch(1)
    table = TokenTable(student, data, tokens)
    losses = (Distill(InfoNce(TEMPERATURE), 1.0, None, "embeddings"), InfoNce(TEMPERATURE))
    steps = [ContrastiveStep(student, table, settings.train, accelerator, loss, teacher) for loss in losses]
    torch.testing.assert_close(steps[0](batch), steps[1](batch), atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        for parameter in student.encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    assert not torch.allclose(steps[0](batch), steps[1](batch), atol=1e-2)


def test_another_teacher_reads_its_folder_and_may_have_another_size(cache: Path, tmp_path: Path) -> None:
    of_family("xlmr", tmp_path / "teacher", cache)
    asked = f"loss.teacher={tmp_path / 'teacher'}", "model.hidden_size=32"
    settings = taught(*asked, "loss.compare=similarities")
    data = load_training_set(settings)
    student = build_retriever(settings.model, data.texts, cache, 0)
    notes: list[str] = []
    state = torch.get_rng_state()
    teacher = make_teacher(settings, student, data, cache, Accelerator(cpu=True), notes.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert "the teacher is" in notes[0]
    prefixed = taught(*asked, "loss.compare=similarities", "loss.teacher_query_prefix='cats fern '")
    other = make_teacher(prefixed, student, data, cache, Accelerator(cpu=True))
    batch = prepared(cache)[0]._plan.batch(0)
    one, with_prefix = teacher(batch), other(batch)
    assert one.query_bg.shape[1] != student.encoder.embedding_size
    assert not torch.allclose(one.query_bg, with_prefix.query_bg)
    torch.testing.assert_close(one.passage_bg, with_prefix.passage_bg)
    expected = r"its embeddings have \d+ numbers, those of the model 32; set loss\.compare=similarities"
    with pytest.raises(InputError, match=expected):
        make_teacher(taught(*asked), student, data, cache, Accelerator(cpu=True))


def test_another_file_of_the_teacher_is_another_trial(cache: Path, tmp_path: Path) -> None:
    of_family("xlmr", tmp_path / "teacher", cache)
    overrides = f"loss.teacher={tmp_path / 'teacher'}", "loss.compare=similarities"
    first = taught(*overrides).trial_fingerprint()
    assert taught(*overrides).trial_fingerprint() == first
    (tmp_path / "teacher" / "README.md").write_text("nothing of the model")
    assert taught(*overrides).trial_fingerprint() == first
    (tmp_path / "teacher" / "1_Pooling").mkdir()
    (tmp_path / "teacher" / "1_Pooling" / "config.json").write_text("{}")
    assert taught(*overrides).trial_fingerprint() != first


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("loss=clear", "loss.reverse_weight=0.9"), "are shares: together at most 1"),
        (("loss=translation", "loss.weight=-1"), r"loss\.weight"),
        (("loss=distill", "loss.target=language_agnostic"), r"set loss\.pivot"),
        (("loss=distill", "loss.target=language_agnostic", "loss.pivot=fr"), r"loss\.pivot=fr is not of languages"),
        (("loss=distill", "loss.teacher_query_prefix=q"), "leave the teacher's at auto"),
        (("loss=translation", "languages.train=[en]", "ratio.monolingual=1.0"), "and languages.train has 1"),
    ],
)
def test_settings_that_make_no_loss_are_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_settings(Composer("sweep", [*SMALL, *overrides]))


def test_a_teacher_that_is_not_there_is_named(tmp_path: Path) -> None:
    composer = Composer("sweep", [*SMALL, "loss=distill", f"loss.teacher={tmp_path / 'none'}"])
    with pytest.raises(InputError, match=r"loss\.teacher=.*none: no such folder"):
        check_teachers(load_settings(composer), composer)
    searched = "study.space={loss.teacher: {grid: [untouched, " + str(tmp_path / "none") + "]}}"
    composer = Composer("sweep", [*SMALL, "loss=distill", searched])
    with pytest.raises(InputError, match=r"loss\.teacher=.*none: no such folder"):
        check_teachers(load_settings(composer), composer)


@pytest.mark.parametrize("kind", ["clear", "debias", "distill", "translation"])
def test_every_loss_has_a_temperature_for_each_kind_of_batch(kind: str) -> None:
    """In a batch of a kind it is the loss of that temperature, and needs the same of the data."""
    embeddings, batch = example()
    both = load_settings(
        Composer("sweep", [f"loss={kind}", "loss.temperatures={monolingual: 0.3, cross_lingual: 0.1}"])
    )
    loss = make_loss(both.loss, both.train)
    for of_kind, temperature in (("monolingual", 0.3), ("cross-lingual", 0.1)):
        single = load_settings(Composer("sweep", [f"loss={kind}", f"train.temperature={temperature}"]))
        alone = make_loss(single.loss, single.train)
        assert loss.needs == alone.needs
        of_batch = replace(batch, kind=of_kind)
        torch.testing.assert_close(loss(embeddings, of_batch), alone(embeddings, of_batch))
