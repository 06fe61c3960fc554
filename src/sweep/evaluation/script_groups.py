"""Pairs of languages written in one script (the part `same_script` of a key), and in two (`other_script`).

Within a script names, numbers and borrowed words look alike in both languages, and comparing strings is a help that
has nothing to do with alignment. Across scripts it is none.
"""

from sweep.data.scripts import script_of

SAME_SCRIPT, OTHER_SCRIPT = "same_script", "other_script"
SCRIPT_GROUPS = (SAME_SCRIPT, OTHER_SCRIPT)
LABELS = {SAME_SCRIPT: "same script", OTHER_SCRIPT: "other script"}


def script_group(cell: str) -> str | None:
    """The group of a pair such as "en-de"; None for a single language, and if a language's script is not known."""
    scripts = [script_of(language) for language in cell.split("-")]
    if len(scripts) < 2 or None in scripts:
        return None
    return SAME_SCRIPT if len(set(scripts)) == 1 else OTHER_SCRIPT
