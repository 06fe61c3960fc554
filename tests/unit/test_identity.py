"""What may not change between runs, and what the previous version left behind: `tests/previous` was written by it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.unit.test_training import prepared

from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.earlier import overrides_of
from sweep.settings.identity import (
    differences,
    earlier_fingerprints,
    has_fingerprint,
    result_settings,
    trial_fingerprint,
)
from sweep.settings.load import load_settings, saved_settings
from sweep.training.watch import Watch

PREVIOUS = Path(__file__).parents[1] / "previous"
OVERRIDES = (
    "+experiment=smoke", "model.layers=1", "model.hidden_size=8", "model.heads=2", "model.vocabulary_size=300",
    "model.dropout=0.1", "train.steps=6", "train.warmup_steps=1", "train.batch_size=8", "train.log_every=2",
    "train.checkpoint_steps=2", "data.records={high: 20, mid: 10, low: 8}", "evaluation.records=12",
    "data.concepts_per_passage=4", "evaluation.concepts_per_passage=4", "model.max_query_tokens=24",
    "train.learning_rate=0.004",
)  # fmt: skip
DRAW = "ratio.draw=independent"  # as the previous version drew
RELATION = ("data.relation=names", "evaluation.relation=names")  # and its embedded data
THEN = (DRAW, *RELATION)
ROUNDING = (
    "tokens_per_pass=100", "gradient_cache=true", "recompute_activations=true", "compile=true",
    "fused_optimizer=true",
)  # fmt: skip


def composed(*overrides: str) -> Settings:
    return load_settings(Composer("sweep", [*OVERRIDES, *overrides]))


def previous(name: str) -> Any:
    return json.loads((PREVIOUS / name).read_text())


def test_a_study_of_the_previous_version_has_the_same_settings() -> None:
    now = saved_settings(PREVIOUS / "config.yaml").settings
    assert (now.loss.kind, now.ratio.draw, now.study.near_copies) == ("info_nce", "independent", None)
    assert (now.data.kind, now.evaluation.kind) == ("cldr", "cldr")
    assert (now.data.relation, now.evaluation.relation) == ("names", "names")
    assert differences(previous("settings.json"), result_settings(now)) == []
    assert overrides_of(previous("settings.json"), composed("launcher.threads=2"), None) == THEN
    # Its one worker had all cores, and the number of threads decides about the last bits.
    assert overrides_of(previous("settings.json"), composed(), None) == (*THEN, "launcher.workers=1")
    assert overrides_of(previous("settings.json"), composed("launcher.workers=3"), None) == THEN
    assert differences(previous("settings.json"), result_settings(composed(*THEN))) == []
    other = result_settings(composed(*THEN, "train.temperature=0.06"))
    assert differences(previous("settings.json"), other) == ["  train.temperature: 0.05 in the study, 0.06 now"]


def test_fingerprints_of_the_previous_version_are_accepted() -> None:
    fingerprints = previous("fingerprints.json")
    study, trial = composed(*THEN), composed(*THEN, "ratio.monolingual=1.0")
    assert has_fingerprint(study, fingerprints["study"])
    assert has_fingerprint(trial, fingerprints["ratio.monolingual=1.0"])
    assert not has_fingerprint(study, fingerprints["ratio.monolingual=1.0"])
    assert not has_fingerprint(composed(*THEN, "seed=1"), fingerprints["study"])
    # What it would have trained on other batches, with other masks, or on other groups.
    for other in (
        (),
        (DRAW,),
        RELATION,
        (*THEN, "ratio.cross_batch=mixed"),
        (*THEN, "train.validation.every_steps=2"),
    ):
        assert not has_fingerprint(composed(*other), fingerprints["study"])


def test_a_new_study_draws_evenly_whatever_it_searches() -> None:
    for space in ("{}", "{ratio: {grid: [hybrid, monolingual]}}", "{ratio.draw: {grid: [even, independent]}}"):
        now = composed(f"study.space={space}")
        assert overrides_of(result_settings(now), now, "0.2") == ()
    assert composed().ratio.draw == "even"
    # One that began before there was a choice, and searches the group, is known by what it does not name.
    old = composed(*THEN, "study.space={ratio: {grid: [hybrid, monolingual]}}", "launcher.threads=1")
    assert overrides_of(result_settings(old), old, None) == THEN


def test_a_study_has_the_embedded_data_that_it_was_begun_with() -> None:
    old, now = previous("settings.json"), composed("launcher.threads=1")
    assert differences(old, result_settings(composed(DRAW))) == [
        f"  {section}.relation: null in the study, 'places' now" for section in ("data", "evaluation")
    ]
    new = result_settings(composed(DRAW))
    assert (new["data.relation"], new["evaluation.relation"]) == ("places", "places")
    assert overrides_of(new, now, None) == (DRAW,)
    # With other data it is refused for that.
    other = now.model_copy(update={"data": SimpleNamespace(kind="squad")})
    assert overrides_of(old, other, None) == (DRAW, "evaluation.relation=names")
    # Where the data is searched, it is refused: which it was cannot be seen.
    searched = result_settings(composed("study.space={data: {grid: [cldr]}}"))
    then = {path: value for path, value in searched.items() if path != "data.relation"}
    assert overrides_of(then, now, None) == ()
    assert differences(then, searched) == ["  data.relation: null in the study, 'places' now"]


def test_a_study_on_files_is_the_one_it_was_before_there_were_candidates_to_choose() -> None:
    def on_files(*overrides: str) -> Settings:
        return load_settings(Composer("sweep", ["data=mlqa_r", "evaluation=xquad_r", *overrides]))

    then, now = on_files(), on_files("data.misplaced_answers=1.0", "evaluation.misplaced_answers=1.0")
    assert trial_fingerprint(then) == trial_fingerprint(now)
    assert not {path for path in result_settings(then) if path.endswith(("candidates", "misplaced_answers"))}
    for section in ("data", "evaluation"):
        other = on_files(f"{section}.candidates=paragraph")
        assert trial_fingerprint(other) != trial_fingerprint(then)
        line = f"  {section}.candidates: 'auto' in the study, 'paragraph' now"
        assert differences(result_settings(then), result_settings(other)) == [line]


def test_a_search_of_an_earlier_version_chooses_by_all_questions_and_confirms_nothing() -> None:
    search = ("study.space={ratio.monolingual: {float: [0, 1]}}", "study.points=4", "launcher.threads=1")
    new = composed(*search, "study.confirm={points: 2, seeds: 3}")
    then = result_settings(composed(*search, "study.select_on=all", *THEN))
    assert "study.select_on" not in then
    assert overrides_of(then, new, None) == (*THEN, "study.confirm=null", "study.select_on=all")
    # One of this version that was begun with all questions goes on with them, and confirms what it was to confirm.
    assert overrides_of(then, new, "0.2") == (*THEN, "study.select_on=all")
    even = composed(*search, "study.select_on=all")
    assert overrides_of(result_settings(even), new, "0.2") == ("study.select_on=all",)
    assert overrides_of(result_settings(new), new, "0.2") == ()
    # Who says otherwise is refused.
    half = result_settings(composed(*search, "study.select_on=half", *THEN))
    assert differences(then, half) == ["  study.select_on: 'all' in the study, 'half' now"]


def test_a_study_that_never_looked_into_its_models_folder_goes_on_without() -> None:
    def composed_hf(*overrides: str) -> Settings:
        return load_settings(Composer("sweep", ["model=hf", "model.path=x", "launcher.threads=1", *overrides]))

    then = {
        **result_settings(composed_hf("model.head=none", "model.lower_case=false")),
        "model.pooling": "mean", "model.query_prefix": "query: ", "model.passage_prefix": "a 'b\\'",
    }  # fmt: skip
    assert then.pop("model.head") == "none"
    now = composed_hf()
    lines = overrides_of(then, now, "0.2")
    assert {line.split("=")[0] for line in lines} == {
        f"model.{name}" for name in ("pooling", "head", "query_prefix", "passage_prefix", "lower_case")
    }
    begun = composed_hf(*lines)
    assert differences(then, result_settings(begun)) == []
    assert {"head", "lower_case"}.isdisjoint(begun.model.plain())
    # One that was begun since then is known by naming it, and is read anew.
    assert overrides_of(result_settings(begun), now, "0.2") == ()
    other = result_settings(composed_hf(*lines, "model.head=folder"))
    assert differences(then, other) == ["  model.head: 'none' in the study, 'folder' now"]
    # Nothing of the kind is a matter of a model from scratch.
    assert not any("model" in line for line in overrides_of(result_settings(composed()), now, "0.2"))


def test_a_study_of_version_0_1_goes_on_with_the_kernel_of_its_optimizer() -> None:
    now = composed("train.fused_optimizer=true")
    assert "train.fused_optimizer=false" in overrides_of(previous("settings.json"), now, None)
    assert not any("optimizer" in line for line in overrides_of(result_settings(now), now, "0.2"))
    assert earlier_fingerprints(composed(*THEN, "train.fused_optimizer=true")) == earlier_fingerprints(
        composed(*THEN)
    )


def test_a_study_with_masks_or_held_out_groups_of_the_previous_version_is_refused() -> None:
    for setting, line in (
        ("ratio.cross_batch=mixed", "ratio.masks: null in the study, 'any language' now"),
        ("train.validation.every_steps=2", "train.validation.held_out: null in the study, 'components' now"),
    ):
        now = result_settings(composed(*THEN, setting))
        then = {path: value for path, value in now.items() if path not in line}
        assert differences(then, now) == [f"  {line}"]


@pytest.mark.parametrize("setting", ROUNDING)
def test_what_changes_only_the_rounding_is_no_part_of_either_identity(setting: str) -> None:
    before, after = composed(), composed(f"train.{setting}")
    assert result_settings(before) == result_settings(after)
    assert before.trial_fingerprint() == after.trial_fingerprint()


@pytest.mark.parametrize("setting", ["train.batch_size=9", "seed=3", "ratio.temperature=3.0", "model.dropout=0.2"])
def test_what_changes_a_result_is_part_of_the_fingerprint(setting: str) -> None:
    assert composed().trial_fingerprint() != composed(setting).trial_fingerprint()
    assert not has_fingerprint(composed(setting), composed().trial_fingerprint())


def test_a_committed_result_of_the_previous_version_is_one_of_these_settings(tmp_path: Path) -> None:
    """Its `result.json` has neither exposure nor notes, and the fingerprint of before."""
    folder = StudyFolder(tmp_path).trial("a")
    folder.path.mkdir(parents=True)
    (fingerprint,) = earlier_fingerprints(composed(*THEN))
    old = {
        "key": "a", "fingerprint": fingerprint, "metrics": {}, "final_loss": 1.0, "duration_s": 1.0,
        "durations_s": {}, "finished_ms": 0, "versions": {}, "steps": 6,
    }  # fmt: skip
    (folder.path / "result.json").write_text(json.dumps(old))
    result = folder.read_result()
    assert isinstance(result, TrialResult)
    assert (result.exposure, result.notes) == (None, [])
    assert has_fingerprint(composed(*THEN), result.fingerprint)


def test_a_training_of_the_previous_version_goes_on_from_its_checkpoint(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(PREVIOUS / "checkpoint", tmp_path / "checkpoint")
    training, _, _ = prepared(cache, *OVERRIDES, *THEN, folder=tmp_path / "checkpoint")
    notes: list[str] = []
    losses: list[tuple[int, float]] = []
    trained = training.run(
        Watch(on_note=notes.append, on_point=lambda point: losses.append((point.step, point.loss)))
    )
    assert notes == ["going on from checkpoint step-00000002.1"]
    expected = [tuple(row) for row in previous("losses.json")[1:]]
    assert [step for step, _ in losses] == [step for step, _ in expected] == [4, 6]
    for (_, loss), (_, before) in zip(losses, expected, strict=True):
        assert loss == pytest.approx(before, rel=2e-3)  # other processors round differently
    # Batches before the checkpoint are counted, from the plan; their losses are not known.
    whole, _, _ = prepared(cache, *OVERRIDES, *THEN)
    exposure = whole.run(Watch()).exposure
    assert trained.exposure.pairs == exposure.pairs
    assert trained.exposure.batches == 6
    assert sum(count.with_loss for count in trained.exposure.kinds.values()) == 4


def test_a_paused_training_goes_on_with_other_rounding(cache: Path, tmp_path: Path) -> None:
    first, _, _ = prepared(cache, "train.checkpoint_steps=3", folder=tmp_path)
    paused_after: list[int] = []

    def pause() -> bool:
        paused_after.append(1)
        return len(paused_after) == 3

    with pytest.raises(Exception, match="after step 3"):
        first.run(Watch(should_pause=pause))
    second, retriever, _ = prepared(
        cache, "train.checkpoint_steps=3", "train.tokens_per_pass=64", "train.gradient_cache=true", folder=tmp_path
    )
    notes: list[str] = []
    assert second.run(Watch(on_note=notes.append)).steps == 8
    assert notes == ["going on from checkpoint step-00000003.1"]
    _, whole, _ = unbroken = prepared(cache)
    unbroken[0].run(Watch())
    for one, other in zip(whole.encoder.parameters(), retriever.encoder.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-2)


EARLIER = ("evaluation.ignore_identical_ids=False", "evaluation.twins=keep")


@pytest.mark.parametrize(
    ("kind", "earlier"), [("miracl", EARLIER), ("beir", EARLIER), ("xquad_r", EARLIER[1:]), ("mlqa_r", EARLIER[1:])]
)
def test_a_benchmark_of_files_that_does_not_say_has_its_passages_as_they_are(
    kind: str, earlier: tuple[str, ...]
) -> None:
    """Studies were begun before queries' own passages and copies were seen to, and go on with what they have."""
    overrides = ["languages=cldr_6", f"evaluation={kind}", "evaluation.path=data"]
    overrides.append(f"study.objectives=[{{metric: {kind}/mono/map, direction: maximize}}]")
    now = load_settings(Composer("sweep", overrides))
    old = load_settings(Composer("sweep", [*overrides, *earlier]))
    assert not {line.partition("=")[0] for line in earlier} & result_settings(old).keys()
    assert overrides_of(result_settings(old), now, "0.2") == earlier
    assert overrides_of(result_settings(now), now, "0.2") == ()
