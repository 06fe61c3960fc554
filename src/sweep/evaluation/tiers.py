"""Which languages a tier has (docs/metrics.md, "Tiers")."""

from sweep.settings import Tiers


def tier_members(
    languages: tuple[str, ...], tiers: Tiers, trained_languages: tuple[str, ...]
) -> dict[str, frozenset[str]]:
    """Languages of every tier that has any; seen and unseen only where something was trained."""
    members = {name: frozenset(getattr(tiers, name)) & set(languages) for name in ("high", "mid", "low")}
    if trained_languages:
        members["seen"] = frozenset(languages) & set(trained_languages)
        members["unseen"] = frozenset(languages) - set(trained_languages)
    return {tier: codes for tier, codes in members.items() if codes}
