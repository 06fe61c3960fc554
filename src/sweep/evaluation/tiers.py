"""Which languages a tier has (docs/metrics.md, "Tiers")."""

from sweep.data.benchmark import Benchmark
from sweep.data.pretraining import pretraining_languages, seen_in
from sweep.evaluation.parts import BY_MODEL, RESOURCES
from sweep.settings import Pretraining, Settings, Tiers


def tier_members(
    languages: tuple[str, ...],
    tiers: Tiers,
    trained_languages: tuple[str, ...],
    pretraining: Pretraining = None,
) -> dict[str, frozenset[str]]:
    """Languages of every tier that has any; seen and unseen only where something was trained, seen and unseen by the
    model only where it is known what it has read."""
    members = {name: frozenset(getattr(tiers, name)) & set(languages) for name in RESOURCES}
    if trained_languages:
        members["seen"] = frozenset(languages) & set(trained_languages)
        members["unseen"] = frozenset(languages) - set(trained_languages)
    listed = pretraining_languages(pretraining)
    if listed is not None:
        tier_of = {code: seen_in(code, listed) for code in languages}
        members |= {tier: frozenset(code for code in languages if tier_of[code] == tier) for tier in BY_MODEL}
    return {tier: codes for tier, codes in members.items() if codes}


def study_tiers(settings: Settings, benchmark: Benchmark) -> dict[str, frozenset[str]]:
    """The tiers of a benchmark's languages in a study: by resources, by what is trained on, and by what the model has
    read."""
    from sweep.data.load import benchmark_tiers  # all readers, and the libraries that they need

    return tier_members(
        benchmark.languages, benchmark_tiers(settings), settings.languages.train, settings.model.pretrained_on
    )
