"""What people read for the last parts of a metric's key: tiers and groups of pairs."""

from sweep.evaluation.script_groups import LABELS as SCRIPT_LABELS

RESOURCES = ("high", "mid", "low")
BY_MODEL = ("seen_by_model", "unseen_by_model")
LABELS = {"": "all", **SCRIPT_LABELS, **{tier: tier.replace("_", " ") for tier in BY_MODEL}}


def label_of(part: str) -> str:
    """A tier or a group of pairs in words; a language or a pair as it is; all of them for the empty part."""
    return LABELS.get(part, part)
