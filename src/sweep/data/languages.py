"""Resource tiers of languages where neither the language grid nor the benchmark declares its own."""

from sweep.settings import Tiers

# Joshi et al. 2020, "The State and Fate of Linguistic Diversity and Inclusion in the NLP World", lang2tax:
# the 7 languages of class 5, the 18 of class 4 and the 28 of class 3; every other one is of class 0 to 2. The names
# there are mandarin (zh), persian (fa), tagalog (fil), egyptian arabic (arz), malay (ms, of which zlm is a part).
CLASS_5 = frozenset(["ar", "de", "en", "es", "fr", "ja", "zh"])
CLASSES_3_4 = frozenset(
    # class 4
    (
        "ca cs eu fa fi hi hr hu it ko nl pl pt ru sr sv tr vi "
        # class 3
        "af arz be bg bn bs ceb da el et fil gl he id ka kk la lt lv ms ro sk sl ta th uk ur uz zlm"
    ).split()
)


def joshi_tiers(languages: tuple[str, ...]) -> Tiers:
    """Tiers by the classes of Joshi et al. 2020: 5 is high, 3 and 4 are mid, 0 to 2 are low."""
    of_code = {code: code.split("_")[0] for code in languages}  # a script or a territory is of no matter
    high = tuple(code for code, language in of_code.items() if language in CLASS_5)
    mid = tuple(code for code, language in of_code.items() if language in CLASSES_3_4)
    return Tiers(high=high, mid=mid, low=tuple(code for code in languages if code not in high and code not in mid))
