"""Settings that a study which switches words cannot have."""

from sweep.settings import Settings

NAME = "ratio.code_switch"


def switching_problem(settings: Settings) -> str | None:
    """What is wrong if the study switches words, or None."""
    switch = settings.ratio.code_switch
    if not switch.probability:
        return None
    if switch.lexicon is None and settings.data.kind != "cldr":
        return (
            f"{NAME}.lexicon=null is the lexicon of data=cldr alone: give a folder of files "
            "<language>-<language>.txt, such as those of MUSE"
        )
    if len(settings.languages.train) < 2:
        return f"{NAME}.probability: words are switched between the languages of languages.train, which has only one"
    if settings.model.restrict_vocabulary:
        return (
            f"{NAME}.probability and model.restrict_vocabulary=true: which tokens switched texts have is not known "
            "before they are drawn; set model.restrict_vocabulary=false"
        )
    if switch.texts == "both" and settings.train.hard_negatives:
        return (
            f"{NAME}.texts=both and train.hard_negatives={settings.train.hard_negatives}: hard negatives are not "
            "switched, and would be told apart from passages by that; set texts=questions, or train.hard_negatives=0"
        )
    return None
