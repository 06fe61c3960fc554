"""What occurs again in a collection's files: it counts once if it is equal; a contradiction names both places."""

from collections.abc import Container, Iterable
from hashlib import blake2b

from sweep.data.lines import Judgement
from sweep.errors import InputError

Texts = Iterable[tuple[str, str, str]]  # place, id and text of each


def texts_by_id(noun: str, texts: Texts) -> tuple[dict[str, str], list[str]]:
    """The text of each id, and the places of those that occur again. Raises InputError if an id has two texts."""
    place_of: dict[str, str] = {}
    text_of: dict[str, str] = {}
    again = []
    for place, id_, text in texts:
        if text_of.setdefault(id_, text) != text:
            raise InputError(f"{place}: {noun} id '{id_}' occurs twice, with another text at {place_of[id_]}")
        if place_of.setdefault(id_, place) != place:
            again.append(place)
    return text_of, again


class OneText:
    """Sees to it that each id has one text; only hashes of texts are kept."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._seen: dict[str, tuple[str, bytes]] = {}

    def is_new(self, place: str, id_: str, text: str) -> bool:
        """Whether the id occurs for the first time. Raises InputError if it had another text then."""
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        is_new = id_ not in self._seen
        first, other = self._seen.setdefault(id_, (place, digest))
        if digest != other:
            raise InputError(f"{place}: {self._noun} id '{id_}' occurs twice, with another text at {first}")
        return is_new


def check_ids(noun: str, texts: Texts) -> None:
    """Raise InputError at the line whose id has another text in an earlier line."""
    one_text = OneText(noun)
    for place, id_, text in texts:
        one_text.is_new(place, id_, text)


def judgements_once(judged: Iterable[Judgement], queries: Container[str]) -> tuple[list[Judgement], list[str]]:
    """Each judgement once, and the places of those that occur again. Raises InputError for an unknown query, and for
    a passage with two grades for one query."""
    first_of: dict[tuple[str, str], Judgement] = {}
    again = []
    for judgement in judged:
        if judgement.query not in queries:
            raise InputError(f"{judgement.place}: names the unknown query '{judgement.query}'")
        first = first_of.setdefault((judgement.query, judgement.passage), judgement)
        if first.grade != judgement.grade:
            raise InputError(
                f"{judgement.place}: gives passage '{judgement.passage}' of query '{judgement.query}' the grade "
                f"{judgement.grade}, and {first.place} gives it {first.grade}; leave one of them"
            )
        if first is not judgement:
            again.append(judgement.place)
    return list(first_of.values()), again
