"""What a model has read: the published lists, what its folder tells, and the tiers that come of it."""

import json
from pathlib import Path

import pytest

from sweep.data.languages import joshi_tiers
from sweep.data.pretraining import LISTS, pretraining_languages, seen_in
from sweep.errors import InputError
from sweep.evaluation.tiers import tier_members
from sweep.model.lineage import pretraining_of
from sweep.model.resolution import resolved
from sweep.settings import HfModel, Tiers
from sweep.settings.compose import Composer
from sweep.settings.earlier import overrides_of
from sweep.settings.identity import differences, result_settings
from sweep.settings.language import language_name
from sweep.settings.load import load_settings

# As published: XLM-R counts Burmese twice, once in the font Zawgyi.
SIZES = {"xlmr": 100 - 1, "mbert": 104, "labse": 109}


def hf_settings(*overrides: str) -> HfModel:
    model = load_settings(Composer("sweep", ["model=hf", "model.path=x", *overrides])).model
    assert isinstance(model, HfModel)
    return model


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_their_published_size_and_every_language_its_name(name: str) -> None:
    codes = LISTS[name].split()
    assert len(set(codes)) == len(codes) == SIZES[name]
    assert codes == sorted(codes)
    assert [language_name(code) for code in codes] == codes


def test_scripts_and_territories_of_what_is_listed() -> None:
    xlmr, mbert = pretraining_languages("xlmr"), pretraining_languages("mbert")
    assert xlmr is not None
    assert mbert is not None
    seen = {"sw", "zh", "zh_CN", "zh_Hant_TW", "pt_BR", "hi_Latn", "nb", "no", "fa_AF"}
    unseen = {"yo", "ig", "bem", "fon", "rw", "zu", "arz", "ckb", "yue", "acm_Arab"}
    assert {code for code in seen | unseen if seen_in(code, xlmr) == "seen_by_model"} == seen
    assert {code for code in seen | unseen if seen_in(code, xlmr) == "unseen_by_model"} == unseen
    assert [seen_in("sr_Latn", listed) for listed in (xlmr, mbert)] == [None, "seen_by_model"]
    assert [seen_in("yo", listed) for listed in (xlmr, mbert)] == ["unseen_by_model", "seen_by_model"]
    assert seen_in("hi_Latn", mbert) is None
    assert seen_in("zlm", xlmr) == "seen_by_model"


def test_tiers_are_there_only_if_it_is_known_what_the_model_has_read() -> None:
    languages = ("en", "yo", "sr_Latn")
    assert not {"seen_by_model", "unseen_by_model"} & tier_members(languages, Tiers(), ()).keys()
    members = tier_members(languages, Tiers(), (), "xlmr")
    assert members == {"seen_by_model": frozenset({"en"}), "unseen_by_model": frozenset({"yo"})}
    assert "unseen_by_model" not in tier_members(("en", "de"), Tiers(), (), "xlmr")
    assert tier_members(("en", "yo"), Tiers(), (), ("yo",))["seen_by_model"] == {"yo"}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "xlm-roberta", "vocab_size": 250002}, "xlmr"),
        ({"model_type": "bert", "vocab_size": 250037}, "xlmr"),
        ({"model_type": "bert", "vocab_size": 119547}, "mbert"),
        ({"model_type": "bert", "vocab_size": 501153}, "labse"),
        ({"model_type": "bert", "vocab_size": 30522}, None),
        ({"model_type": "xlm-roberta", "vocab_size": 901629}, None),
        ([], None),
    ],
)
def test_a_folder_tells_only_what_is_certain(tmp_path: Path, config: object, name: str | None) -> None:
    assert pretraining_of(str(tmp_path), None) is None
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert pretraining_of(str(tmp_path), None) == name


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is no JSON"):
        pretraining_of(str(tmp_path), None)


def test_declared_models_say_what_they_have_read() -> None:
    def declared(name: str) -> object:
        return load_settings(Composer("sweep", [f"model={name}"])).model.pretrained_on

    assert [declared(name) for name in ("xlmr", "me5_small", "bge_m3", "mbert", "labse")] == [
        "xlmr", "xlmr", "xlmr", "mbert", "labse",
    ]  # fmt: skip
    assert [declared(name) for name in ("modernbert", "tiny")] == [None, None]
    assert hf_settings().pretrained_on == "auto"
    assert hf_settings("model.pretrained_on=[sw,swh_Latn,zho_Hant]").pretrained_on == ("sw", "zh_Hant")
    with pytest.raises(InputError, match=r"model\.pretrained_on: 'bert' is no pretraining .* or a list"):
        hf_settings("model.pretrained_on=bert")
    with pytest.raises(InputError, match="'english' is no language"):
        hf_settings("model.pretrained_on=[english]")


def test_a_study_that_was_begun_before_goes_on_without_these_tiers() -> None:
    def composed(*overrides: str) -> dict[str, object]:
        return result_settings(load_settings(Composer("sweep", ["model=xlmr", "launcher.threads=1", *overrides])))

    now = load_settings(Composer("sweep", ["model=xlmr", "launcher.threads=1"]))
    then = composed("model.pretrained_on=null")
    assert "model.pretrained_on" not in then
    assert "model.pretrained_on=null" in overrides_of(then, now, "0.2")
    assert overrides_of(composed(), now, "0.2") == ()
    line = "  model.pretrained_on: null in the study, 'mbert' now"
    assert differences(then, composed("model.pretrained_on=mbert")) == [line]


def test_auto_is_settled_before_anything_else_is(assets: Path) -> None:
    folder = assets / "models/me5-small"
    settings = load_settings(Composer("sweep", ["model=hf", f"model.path={folder}"]))
    assert resolved(settings).model.pretrained_on is None  # its vocabulary is cut to that of some languages
    declared = load_settings(Composer("sweep", ["model=me5_small", f"model.path={folder}"]))
    assert resolved(declared).model.pretrained_on == "xlmr"


# lang2tax of Joshi et al. 2020: all names of classes 3 to 5, with the codes that data sets write.
CLASSES = {
    "high": "eng spa deu jpn fra ara arb cmn zho",
    "mid": "swe tur kor hin pes fas por ces rus nld pol hrv ita vie eus hun fin srp cat "
    "ukr ceb arz lav ind afr bos glg ell heb iw bel msa zsm zlm tha kat dan tgl tl fil slv tam kaz ron bul uzn uzb "
    "lit est slk ben urd lat",
    "low": "swh swa yor ibo hau kin bem fon twi zul tel mal isl nob nno azj yue npi khk ckb kmr mya ary",
}


@pytest.mark.parametrize(("tier", "codes"), CLASSES.items())
def test_every_name_of_the_published_classes_is_in_its_tier(tier: str, codes: str) -> None:
    languages = tuple(dict.fromkeys(language_name(code) for code in codes.split()))
    assert getattr(joshi_tiers(languages), tier) == languages
