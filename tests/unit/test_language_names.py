"""One name for each language wherever one is written: settings, command line, files, folders."""

import json
from pathlib import Path

import pytest
from babel import localedata
from langcodes.registry_parser import parse_registry
from tests.conftest import Sweep

from sweep.data.english import english_name, language_called, with_name
from sweep.data.language_files import language_files
from sweep.data.languages import joshi_tiers
from sweep.data.load import load_benchmark
from sweep.data.scripts import script_of
from sweep.errors import InputError
from sweep.evaluation.script_groups import script_group
from sweep.settings.compose import Composer
from sweep.settings.language import language_name, named_language
from sweep.settings.load import load_evaluate_settings
from sweep.settings.overrides import assignment

NAMES = {
    "en": ("en", "EN", "eng", "eng_Latn", "en-Latn"),
    "sw": ("sw", "swh", "swh_Latn"),
    "he": ("he", "iw", "heb_Hebr"),
    "zh": ("zh", "zho_Hans", "zh-Hans", "cmn", "ZH"),
    "zh_CN": ("zh-CN", "zh_cn", "zho_Hans_CN"),
    "zh_Hant": ("zh-Hant", "zho_Hant"),
    "zh_Hant_TW": ("zh-Hant-TW", "zh_TW", "zh-tw"),
    "yue": ("yue", "yue_Hant"),
    "pt_BR": ("pt_br", "pt-BR", "por_Latn_BR"),
    "sr_Latn": ("sr-Latn", "srp_Latn"),
    "es_419": ("es-419",),
    "no": ("no",),
    "nb": ("nb", "nob", "nob_Latn"),
}
CASES = [(written, name) for name, every in NAMES.items() for written in every]


@pytest.mark.parametrize(("written", "name"), CASES)
def test_a_language_has_one_name(written: str, name: str) -> None:
    assert language_name(written) == named_language(written) == name
    assert language_name(name) == name


def test_languages_that_differ_stay_apart_and_plain_codes_stay_what_they_are() -> None:
    codes = {code for code in localedata.locale_identifiers() if "_" not in code}
    assert len(codes) > 200
    assert {code for code in codes if language_name(code) != code} == set()
    arabic = [
        "arb_Arab",
        "arz_Arab",
        "acm_Arab",
        "apc_Arab",
        "ary_Arab",
    ]  # of FLORES; CLDR has no usual script of acm
    assert [language_name(code) for code in arabic] == ["ar", "arz", "acm_Arab", "apc", "ary"]


@pytest.mark.parametrize(
    "text", ["README", "._en", "", "english", "x-foo", "de-1996", "und", "y", "1", "en zh", "my_file"]
)
def test_other_names_are_no_languages(text: str) -> None:
    assert named_language(text) is None


def test_scripts_and_tiers_follow_the_language() -> None:
    assert [script_of(code) for code in ("zh", "zh_Hant", "zh_Hant_TW", "pt_BR", "sr_Latn", "pa_Arab_PK")] == [
        "Hans", "Hant", "Hant", "Latn", "Latn", "Arab",
    ]  # fmt: skip
    assert script_group("pt_BR-sr_Latn") == "same_script"
    tiers = joshi_tiers(("zh_Hant", "pt_BR", "sw", "en"))
    assert (tiers.high, tiers.mid, tiers.low) == (("zh_Hant", "en"), ("pt_BR",), ("sw",))


def collection(folder: Path, *names: str) -> list[str]:
    """A BEIR collection with one passage and one query in each folder, and the overrides for it."""
    for name in names:
        (folder / name / "qrels").mkdir(parents=True)
        (folder / name / "corpus.jsonl").write_text(json.dumps({"_id": "a", "text": f"in {name}"}))
        (folder / name / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "?"}))
        (folder / name / "qrels/test.tsv").write_text("q\ta\t1\n")
    cache = assignment("paths.cache", str(folder.parent / "cache"))
    return ["model.path=x", "evaluation=beir", assignment("evaluation.path", str(folder)), cache]


def test_folders_are_read_under_the_names_of_their_languages(tmp_path: Path) -> None:
    overrides = collection(tmp_path / "data", "zh-Hant", "zho_Hans", "pt_br", "pt", "swh")
    bench = load_benchmark(load_evaluate_settings(Composer("evaluate", overrides)))
    assert bench.languages == ("pt", "pt_BR", "sw", "zh", "zh_Hant")
    assert [(passage.id, passage.text) for passage in bench.passages] == [
        ("pt:a", "in pt"), ("pt_BR:a", "in pt_br"), ("sw:a", "in swh"), ("zh:a", "in zho_Hans"),
        ("zh_Hant:a", "in zh-Hant"),
    ]  # fmt: skip
    chosen = [*overrides, "languages.evaluate=[zh-Hans,PT-BR]", "languages.tiers={high: [zho_Hans], low: [pt_br]}"]
    settings = load_evaluate_settings(Composer("evaluate", chosen))
    assert load_benchmark(settings).languages == settings.languages.evaluate == ("zh", "pt_BR")
    assert settings.languages.tiers is not None
    assert settings.languages.tiers.low == ("pt_BR",)


def test_two_folders_or_files_of_one_language_are_refused(tmp_path: Path) -> None:
    overrides = collection(tmp_path / "data", "zh", "zho_Hans")
    with pytest.raises(InputError, match=r"data: zh and zho_Hans are both the language 'zh'; leave one there"):
        load_benchmark(load_evaluate_settings(Composer("evaluate", overrides)))
    (tmp_path / "squad").mkdir()
    for name in ("pt-BR.json", "xquad.pt_br.json", "README.json"):
        (tmp_path / "squad" / name).write_text("{}")
    with pytest.raises(InputError, match=r"language 'pt_BR' has two files, pt-BR\.json and xquad\.pt_br\.json"):
        language_files(tmp_path / "squad")
    (tmp_path / "squad/xquad.pt_br.json").rename(tmp_path / "squad/xquad.zho_Hant.json")
    assert {code: file.name for code, file in language_files(tmp_path / "squad").items()} == {
        "pt_BR": "pt-BR.json", "zh_Hant": "xquad.zho_Hant.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "no",
            "languages.train.1: a bare no, off or false is no text in YAML; put the language in quotes, such as 'no'",
        ),
        ("on", "languages.train.1: a bare yes, on or true is no text in YAML; put the language in quotes"),
        ("y", "languages.train.1: 'y' is no language; write an ISO 639 code, such as sw, zh_Hant or pt_BR"),
        ("12", "languages.train.1: 12 is no language; write an ISO 639 code in quotes"),
        ("~", "languages.train.1: None is no language"),
        ("EN", "languages.train lists a language twice: en"),
    ],
)
def test_what_yaml_makes_of_a_language_is_explained(sweep: Sweep, tmp_path: Path, written: str, message: str) -> None:
    (tmp_path / "conf/languages").mkdir(parents=True)
    (tmp_path / "conf/languages/mine.yaml").write_text(
        f"train: [en, {written}]\nevaluate: null\ntiers: {{high: [en], mid: [], low: []}}\n"
    )
    done = sweep("--config-dir", str(tmp_path / "conf"), "+experiment=smoke", "languages=mine")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


FLORES = (
    "acm_Arab ajp_Arab als_Latn arb_Latn azb_Arab azj_Latn bjn_Arab ckb_Arab ekk_Latn gaz_Latn kas_Deva khk_Cyrl "
)
FLORES += (
    "kmr_Latn knc_Arab lvs_Latn npi_Deva ory_Orya pbt_Arab pes_Arab plt_Latn prs_Arab quy_Latn swh_Latn taq_Tfng "
)
FLORES += "uzn_Latn ydd_Hebr zho_Hans zho_Hant zsm_Latn"


def test_every_code_of_the_standards_and_of_data_sets_is_taken(assets: Path) -> None:
    ntrex = [line.split()[0] for line in (assets / "data/ntrex/LANGUAGES.tsv").read_text().splitlines()]
    africa = [folder.name for folder in (assets / "data/afriqa").iterdir() if folder.is_dir()]
    for written in (*ntrex, *africa, *FLORES.split()):
        assert language_name(written) == named_language(written), written
        assert language_name(language_name(written)) == language_name(written), written
    names = [language_name(written) for written in ntrex]
    assert len(set(names)) == len(names)
    registered = [entry for entry in parse_registry() if entry.get("Type") == "language" and len(entry) > 2]
    codes = [str(entry["Subtag"]) for entry in registered if len(str(entry["Subtag"])) <= 3]
    assert len(codes) > 8000
    assert {code for code in codes if named_language(code) is None} == {"und"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *zip(
            "arabic chinese dutch english french german hindi indonesian italian japanese portuguese russian spanish "
            "vietnamese".split(),
            "ar zh nl en fr de hi id it ja pt ru es vi".split(),
            strict=True,
        ),
        ("Mandarin", "zh"), (" Swahili ", "sw"), ("Castilian", "es"), ("Tagalog", "fil"), ("Oriya", "or"),
        ("Hassaniyya", "mey"), ("Kinyarwanda", "rw"), ("Norwegian Bokmål", "nb"),
    ],
)  # fmt: skip
def test_languages_are_known_by_their_english_names(name: str, code: str) -> None:
    assert language_called(name) == code


@pytest.mark.parametrize("name", ["", "klingonish", "en-US", "unknown language"])
def test_what_is_no_name_of_a_language_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no English name of a language"):
        language_called(name)


def test_people_read_names_beside_codes() -> None:
    assert [with_name(code) for code in ("sw", "zh_Hant_TW", "mey", "qaa", "sr_Latn", "gsw_ZH")] == [
        "sw Swahili", "zh_Hant_TW Chinese (Traditional, Taiwan)", "mey Hassaniyya", "qaa", "sr_Latn Serbian (Latin)",
        "gsw_ZH Swiss German (ZH)",
    ]  # fmt: skip
    every = {code for code in localedata.locale_identifiers() if "_" not in code}
    assert {code for code in every if language_called(english_name(code)) != code} == set()
