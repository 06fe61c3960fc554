"""Words of training texts in other languages: which, how many, and always the same ones."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from tests.unit.test_checkpoint import STEPS, Killed
from tests.unit.test_training import SMALL

from sweep.data.benchmark import Passage, Question, benchmark
from sweep.data.bilingual import check_lexicon, load_lexicon
from sweep.data.lexicon import terms
from sweep.data.load import load_training_set
from sweep.data.translated_words import entries_of, longest_of, switch_words, word_spans
from sweep.errors import InputError
from sweep.model.registry import build_retriever
from sweep.model.token_cache import TokenCache
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.checkpoint import Checkpoints
from sweep.training.code_switch import SwitchedPlan, with_switched
from sweep.training.loop import Trained, Training
from sweep.training.losses.registry import make_loss
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable
from sweep.training.watch import TrainingPoint, Watch

ON = "ratio.code_switch.probability=0.4"
BOTH = "ratio.code_switch.texts=both"
ENTRIES = entries_of(
    [
        ("en", "Kenya", "sw", "Kenya"),  # the word itself: none
        ("en", "New York", "de", "Neu-York"),
        ("en", "York", "de", "York-Stadt"),
        ("en", "tree", "de", "Baum"),
        ("en", "tree", "sw", "mti"),
        ("en", "tree", "sw", "mmea"),
        ("te", "భారతదేశం", "en", "India"),
    ]
)


def settings_of(*overrides: str) -> Settings:
    return load_settings(Composer("sweep", [*SMALL, *overrides]))


def switch(text: str, probability: float, seed: int = 0, language: str = "en") -> str:
    entries = ENTRIES[language]
    return switch_words(text, entries, longest_of(entries), probability, np.random.default_rng(seed)).text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Kenya, Peru", ["Kenya", "Peru"]),
        ("l'eau-de-vie 3.5!", ["l", "eau", "de", "vie", "3", "5"]),
        ("భారతదేశం, నేపాల్", ["భారతదేశం", "నేపాల్"]),  # marks belong to their words
        ("肯尼亚、秘鲁", ["肯尼亚", "秘鲁"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_the_longest_entry_counts_and_the_rest_of_the_text_stays() -> None:
    assert switch("in NEW  york: Kenya", 1.0) == "in Neu-York: Kenya"
    assert switch("old York.", 1.0) == "old York-Stadt."
    assert switch("భారతదేశం!", 1.0, language="te") == "India!"
    assert switch("in New York", 0.0) == "in New York"
    found = {switch("tree", 1.0, seed) for seed in range(60)}
    assert found == {"Baum", "mti", "mmea"}
    languages = ["de" if switch("tree", 1.0, seed) == "Baum" else "sw" for seed in range(400)]
    assert 150 < languages.count("de") < 250  # languages are drawn alike, however many translations they have


def test_a_word_that_gives_way_does_so_at_any_higher_probability() -> None:
    text = "tree " * 200
    rare, often = (switch(text, probability).split(" ") for probability in (0.2, 0.6))
    for few, more, plain in zip(rare, often, text.split(" "), strict=True):
        assert more == few or few == plain
    assert 20 < sum(word != "tree" for word in rare[:200]) < 60
    assert 90 < sum(word != "tree" for word in often[:200]) < 150
    one = switch_words(text, ENTRIES["en"], 2, 0.2, np.random.default_rng(0))
    assert (one.words, one.switched) == (200, sum(word != "tree" for word in rare[:200]))


def test_names_of_the_embedded_data_are_its_lexicon_in_the_languages_of_training_alone() -> None:
    settings = settings_of(ON)
    lexicon = load_lexicon(settings)
    assert lexicon is not None
    assert lexicon.languages == settings.languages.train
    assert "bg" in (settings.languages.evaluate or ())
    assert "bg" not in {code for words in lexicon.of_questions.values() for one in words.values() for code in one}
    called = terms("places", settings.languages.train)["territory", "KE"]
    assert lexicon.of("query", "en")["kenya"]["ru"] == (called["ru"].question,)
    place = called["en"].passage.casefold()
    assert lexicon.of("passage", "en")[place]["te"] == (called["te"].passage,)
    assert place not in lexicon.of("query", "en")
    assert load_lexicon(settings_of()) is None
    assert load_lexicon(settings_of("study.space={ratio.code_switch.probability: {grid: [0.0, 0.5]}}")) is not None


def test_files_serve_both_directions(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("tree Baum\n\ntree\tder  Baum\n")
    (tmp_path / "en-fr.txt").write_text("tree arbre\n")  # French is not trained on
    (tmp_path / "notes-of-mine.txt").write_text("no lexicon\n")
    files = f"ratio.code_switch.lexicon={tmp_path}"
    lexicon = load_lexicon(settings_of(ON, files))
    assert lexicon is not None
    assert lexicon.of_questions is lexicon.of_passages
    assert lexicon.of("query", "en") == {"tree": {"de": ("Baum", "der  Baum")}}
    assert lexicon.of("query", "de") == {"baum": {"en": ("tree",)}, "der baum": {"en": ("tree",)}}
    assert lexicon.of("query", "sw") == {}
    (tmp_path / "en-de.txt").write_text("tree Baum\n")
    other = load_lexicon(settings_of(ON, files))
    assert other is not None
    assert other.digest != lexicon.digest


def test_a_lexicon_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files = f"ratio.code_switch.lexicon={tmp_path / 'muse'}"
    with pytest.raises(InputError, match="no such folder"):
        load_lexicon(settings_of(ON, files))
    (tmp_path / "muse").mkdir()
    (tmp_path / "muse" / "en-fr.txt").write_text("tree arbre\n")
    with pytest.raises(InputError, match=re.escape("no file of two of languages.train (en, de, ru, sw, te)")):
        load_lexicon(settings_of(ON, files))
    (tmp_path / "muse" / "en-de.txt").write_text("tree Baum\nnew york Neu York\n")
    with pytest.raises(InputError, match=r"en-de\.txt:2: a line has a word and its translation"):
        load_lexicon(settings_of(ON, files))


def test_an_entry_that_is_evaluated_on_is_refused() -> None:
    lexicon = load_lexicon(settings_of(ON))
    assert lexicon is not None

    def of(question: str) -> None:
        asked = benchmark("own", ("en",), [Question("g", "en", question)], [Passage("p", "en", "x")], {"g": {"p": 1}})
        check_lexicon(lexicon, asked)

    of("Kenya and Peru")
    with pytest.raises(InputError, match=r"1 questions of the benchmark 'own' are entries of ratio\.code_switch"):
        of(" KENYA ")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=mlqa_r", "data.path=x", "evaluation=cldr"], "the lexicon of data=cldr alone: give a folder"),
        (["model=hf", "model.path=x", "model.restrict_vocabulary=true"], "set model.restrict_vocabulary=false"),
        ([BOTH, "train.hard_negatives=2"], "hard negatives are not switched"),
        (["languages.train=[en]", "ratio.monolingual=1.0"], "which has only one"),
    ],
)
def test_what_cannot_go_with_it_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_settings(Composer("sweep", ["languages=cldr_6", ON, *overrides]))
    load_settings(Composer("sweep", ["languages=cldr_6", *overrides]))


def plan_of(*overrides: str) -> BatchPlan | SwitchedPlan:
    settings = settings_of(*overrides)
    plan = BatchPlan(load_training_set(settings), settings.ratio, 16, settings.seed, settings.train.steps)
    return with_switched(plan, load_lexicon(settings), settings.ratio.code_switch)


def test_a_batch_is_that_of_the_plan_with_other_words() -> None:
    plain, switched = plan_of(), plan_of(ON, BOTH)
    assert isinstance(plain, BatchPlan)
    assert isinstance(switched, SwitchedPlan)
    again = plan_of(ON, BOTH)
    for step in (5, 0, 3):  # any step alone, in any order
        one, other, same = plain.batch(step), switched.batch(step), again.batch(step)
        assert (one.pairs, one.kind) == (other.pairs, other.kind)
        assert np.array_equal(one.question_b, other.question_b)
        assert np.array_equal(one.negative_bc, other.negative_bc)
        assert one.switched is None
        assert other.switched is not None
        assert other.switched == same.switched
        assert other.switched.questions
        assert other.switched.passages
    questions = plan_of(ON).batch(5).switched
    both = switched.batch(5).switched
    assert questions is not None
    assert both is not None
    assert (questions.questions, questions.passages) == (both.questions, {})


def test_questions_ask_for_the_same_territories_in_other_languages() -> None:
    """Written from the definition: each name of a switched question is one of its concept's, in the same place."""
    settings = settings_of("ratio.code_switch.probability=0.5", "ratio.monolingual=1.0")
    plan = plan_of("ratio.code_switch.probability=0.5", "ratio.monolingual=1.0")
    assert isinstance(plan, SwitchedPlan)
    named = [
        {code: term.question for code, term in called.items()}
        for called in terms("places", settings.languages.train).values()
    ]
    gave_way = names = 0
    for step in range(6):
        batch = plan.batch(step)
        assert batch.switched is not None
        texts = plan.plan.data.texts.read(batch.question_b)
        for row, text in batch.switched.questions.items():
            language = batch.pairs[row][0]
            for before, after in zip(texts[row].split(", "), text.split(", "), strict=True):
                (concept,) = [one for one in named if one[language] == before]
                assert after in concept.values()
                gave_way += after != before
        names += sum(len(text.split(", ")) for text in texts)
        assert batch.switched.words >= len(texts) * 2
    assert 0.3 < gave_way / names < 0.6


def ready(cache: Path, *overrides: str, folder: Path | None = None) -> tuple[Training, torch.nn.Module]:
    settings = settings_of(*overrides)
    data = load_training_set(settings)
    retriever = build_retriever(settings.model, data.texts, cache, settings.seed)
    torch.manual_seed(settings.seed)
    accelerator = Accelerator(cpu=True)
    fit = settings.train
    plan = BatchPlan(data, settings.ratio, fit.batch_size, settings.seed, fit.steps * fit.accumulate_batches)
    table = TokenTable(retriever, data, TokenCache(retriever, cache / "tokens"))
    step = ContrastiveStep(retriever, table, fit, accelerator, make_loss(settings.loss, fit))
    batches = with_switched(plan, load_lexicon(settings), settings.ratio.code_switch)
    kept = None if folder is None else Checkpoints(folder, settings.trial_fingerprint(), accelerator)
    return Training(
        step, retriever.encoder, batches, fit, accelerator, kept, weights=settings.loss.weights
    ), retriever.encoder


def weights_of(encoder: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().ravel() for parameter in encoder.parameters()])


def run(cache: Path, *overrides: str, folder: Path | None = None) -> tuple[torch.Tensor, Trained]:
    training, encoder = ready(cache, *overrides, folder=folder)
    trained = training.run(Watch())
    return weights_of(encoder), trained


def test_a_training_goes_on_with_the_same_bits(cache: Path, tmp_path: Path) -> None:
    whole, trained = run(cache, *STEPS, ON)
    training, _ = ready(cache, *STEPS, ON, folder=tmp_path)

    def kill(point: TrainingPoint) -> None:
        if point.step == 8:
            raise Killed

    with pytest.raises(Killed):
        training.run(Watch(on_point=kill))
    weights, again = run(cache, *STEPS, ON, folder=tmp_path)
    assert torch.equal(weights, whole)
    assert again.exposure == trained.exposure
    share = trained.exposure.summary()["switched_words"]
    assert 0.2 < share < 0.5
    plain, without = run(cache, *STEPS)
    assert not torch.equal(plain, whole)
    assert "switched_words" not in without.exposure.summary()


def test_a_step_sees_the_switched_texts(cache: Path) -> None:
    """As tokenised anew with the same prefixes, and as many tokens are counted."""
    training, _ = ready(cache, ON, BOTH)
    step, plan = training._step, training._plan
    assert isinstance(plan, SwitchedPlan)
    batch = plan.batch(2)
    assert batch.switched is not None
    questions, passages = (
        [instead.get(row, text) for row, text in enumerate(plan.plan.data.texts.read(texts))]
        for texts, instead in (
            (batch.question_b, batch.switched.questions),
            (batch.passage_b, batch.switched.passages),
        )
    )
    retriever = step._retriever
    expected = [*retriever.tokenize(questions, "query").ids, *retriever.tokenize(passages, "passage").ids]
    assert step.tokens(batch) == sum(map(len, expected))
    seen: dict[int, list[int]] = {}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(retriever), "collate", lambda self, ids, device: ids)
        for sub in step._sub_batches(batch):
            seen |= {place: list(ids) for place, ids in zip(sub.places.tolist(), sub.tokens, strict=True)}
    assert [seen[place] for place in sorted(seen)] == [list(ids) for ids in expected]
    plain = retriever.tokenize(plan.plan.data.texts.read(batch.question_b), "query").ids
    assert [list(ids) for ids in plain] != [seen[place] for place in range(len(plain))]
