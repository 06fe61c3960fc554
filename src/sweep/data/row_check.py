"""Whether the texts of a row are texts."""

from sweep.data.training_row import TrainingRow
from sweep.errors import InputError, shortened

LONGEST_TEXT = 1_000_000  # characters; longer ones are files, not texts


def check_text(row: TrainingRow, noun: str, text: str) -> None:
    """Raise InputError, with the row's place, for a text that is empty, too long, or no text; `noun` says which text
    of the row it is."""
    if text.strip() and len(text) <= LONGEST_TEXT and "\0" not in text and _is_unicode(text):
        return
    place = row.place or f"group {shortened(row.group, 60)!r} in {row.language}"
    if not text.strip():
        raise InputError(f"{place}: the {noun} is empty; leave the row out")
    if len(text) > LONGEST_TEXT:
        raise InputError(
            f"{place}: the {noun} has {len(text):,} characters, more than {LONGEST_TEXT:,}; cut it into passages"
        )
    if "\0" in text:
        raise InputError(f"{place}: the {noun} has a NUL character; remove it")
    raise InputError(
        f"{place}: the {noun} has half a surrogate pair, which is no character; write the text anew in UTF-8"
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
