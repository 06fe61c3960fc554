"""Which languages a tier has (METRICS, section 5)."""

from sweep.settings import Tiers


def tier_members(
    languages: tuple[str, ...], tiers: Tiers, trained_languages: tuple[str, ...]
) -> dict[str, frozenset[str]]:
    """Languages of every tier that has any; seen and unseen only where something was trained."""
    members = {name: frozenset(getattr(tiers, name)) & set(languages) for name in ("high", "mid", "low")}
    if trained_languages:
        members["seen"] = frozenset(languages) & set(trained_languages)
        members["unseen"] = frozenset(languages) - set(trained_languages)
    return {tier: found for tier, found in members.items() if found}
