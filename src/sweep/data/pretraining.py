"""Which languages a pretrained encoder has read, as its makers list them.

The lists are of the pretraining that gave an encoder its vocabulary. A retriever that came of such an encoder, as
multilingual E5 and BGE-M3 did of XLM-R, was trained further, and on more languages than these.
"""

from collections.abc import Collection
from typing import Literal

from sweep.settings import Pretraining

# Conneau et al. 2020, arXiv 1911.02116: the 100 entries of the list published with the model. Five are languages in
# Latin script beside their own, one is Chinese in both scripts, and one Burmese in a font of its own.
XLMR = (
    "af am ar as az be bg bn bn_Latn br bs ca cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha he hi "
    "hi_Latn hr hu hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps "
    "pt ro ru sa sd si sk sl so sq sr su sv sw ta ta_Latn te te_Latn th tr ug uk ur ur_Latn uz vi xh yi zh zh_Hant"
)
# Devlin et al. 2019, multilingual.md of google-research/bert: the cased model's 104 Wikipedias. Serbo-Croatian is
# Serbian in Latin script here, and Western Punjabi lah, as langcodes has them.
MBERT = (
    "af an ar ast az azb ba bar be bg bn bpy br bs ca ce ceb cs cv cy da de el en es et eu fa fi fil fr fy ga gl "
    "gu he hi hr ht hu hy id io is it ja jv ka kk kn ko ky la lah lb lmo lt lv mg min mk ml mn mr ms my nb nds ne "
    "new nl nn oc pa pl pms pt ro ru scn sco sk sl sq sr sr_Latn su sv sw ta te tg th tr tt uk ur uz vi vo war yo "
    "zh zh_Hant"
)
# Feng et al. 2022, arXiv 2007.01852, table of languages; the model card has the same 109.
LABSE = (
    "af am ar as az be bg bn bo bs ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw he hi "
    "hmn hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny or "
    "pa pl pt ro ru rw si sk sl sm sn so sq sr st su sv sw ta te tg th tk tr tt ug uk ur uz vi wo xh yi yo zh zu"
)
LISTS = {"xlmr": XLMR, "mbert": MBERT, "labse": LABSE}
# Written Norwegian is Bokmål unless it says otherwise, and standard Malay is what is listed as Malay.
SAME = {"nb": "no", "no": "nb", "zlm": "ms"}

Seen = Literal["seen_by_model", "unseen_by_model"]


def pretraining_languages(pretraining: Pretraining) -> frozenset[str] | None:
    """The languages that an encoder has read, None where that is not known."""
    if pretraining is None or pretraining == "auto":
        return None
    if isinstance(pretraining, str):
        return frozenset(LISTS[pretraining].split())
    return frozenset(pretraining)


def seen_in(language: str, listed: Collection[str]) -> Seen | None:
    """Whether a language is one of those listed, whatever its territory; None where a list has the language and does
    not have it in this script: whether some of it was read is not known."""
    base, *parts = language.split("_")
    script = [part for part in parts if len(part) == 4]
    for code in (base, SAME.get(base, base)):
        if "_".join([code, *script]) in listed or language in listed:
            return "seen_by_model"
    if script and (base in listed or SAME.get(base) in listed):
        return None
    return "unseen_by_model"
