"""ERNIE-M's tokenizer: pieces of SentencePiece, split again, and looked up in a vocabulary of their own.

No pipeline of `tokenizers` splits what its model gives, so two are used: the first makes pieces, the second looks up
what they are split into, cuts and pads. Nor does `tokenizers` replace characters as SentencePiece does: it goes by
grapheme, so that it leaves some combining characters out, and does not compose others. This file needs nothing but
transformers and tokenizers: an exported model carries a copy of it.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

BLANK = "▁"
PUNCTUATION = frozenset(",;:.?!~，；：。？！《》【】")
PIECES_FILE, PARTS_FILE, RULES_FILE = "pieces.json", "parts.json", "rules.json"


def _stands_alone(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff" or character in PUNCTUATION


@lru_cache(maxsize=1_000_000)
def split_piece(piece: str) -> tuple[str, ...]:
    """The parts of a piece: Chinese characters and punctuation one by one, runs of digits, and what is between them.

    A blank that is left alone before a part is dropped; one that begins a part stays.
    """
    parts, start = [], 0
    for place, character in enumerate(piece):
        if character == BLANK:
            continue
        alone = _stands_alone(character)
        turns = place > 0 and character.isdigit() != piece[place - 1].isdigit()
        if (alone or turns) and place > start and piece[start:place] != BLANK:
            parts.append(piece[start:place])
        if alone:
            parts.append(character)
            start = place + 1
        elif turns:
            start = place
    return (*parts, piece[start:]) if start < len(piece) else tuple(parts)


def split_pieces(pieces: Sequence[str]) -> list[str]:
    """The parts of a text's pieces. A piece that is a blank alone counts only between two others, the second of which
    begins with none."""
    parts: list[str] = []
    for place, piece in enumerate(pieces):
        if piece != BLANK:
            parts += split_piece(piece)
        elif 0 < place < len(pieces) - 1 and not pieces[place + 1].startswith(BLANK):
            parts.append(BLANK)
    return parts


class Replacement:
    """Replaces the longest sequence of characters that has a rule, from left to right, as SentencePiece does."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = dict(rules)
        self._longest = max(map(len, self.rules), default=1)
        later = {character for source in self.rules for character in source[1:]}
        # Only these continue a sequence, so that none reaches beyond a character with those behind it.
        behind = f"[{re.escape(''.join(sorted(later)))}]*" if later else ""
        self._group = re.compile(f".{behind}", re.DOTALL)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the rules, in their order."""
        whole = "\0".join([text for rule in self.rules.items() for text in rule])
        return hashlib.sha256(whole.encode()).hexdigest()

    def __call__(self, text: str) -> str:
        """The text with all that has a rule replaced."""
        if not self.rules or (text.isascii() and text.isprintable()):  # no rule changes these
            return text
        get, replaced = self.rules.get, self._replaced
        groups = self._group.findall(text)
        return "".join([get(group, group) if len(group) == 1 else replaced(group) for group in groups])

    def _replaced(self, group: str) -> str:
        result, place = [], 0
        while place < len(group):
            for end in range(min(len(group), place + self._longest), place, -1):
                if (target := self.rules.get(group[place:end])) is not None:
                    break
            else:
                target, end = group[place], place + 1
            result.append(target)
            place = end
        return "".join(result)


class ErnieMPieceTokenizer(PreTrainedTokenizerFast):  # type: ignore[misc, unused-ignore]
    """A fast tokenizer whose texts go through `replacement` and `piece_tokenizer` first; its backend looks up the
    parts, each of which is one token. Offsets are within the parts, not within the text."""

    vocab_files_names = {"pieces_file": PIECES_FILE, "parts_file": PARTS_FILE, "rules_file": RULES_FILE}  # noqa: RUF012
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self,
        pieces_file: str | None = None,
        parts_file: str | None = None,
        rules_file: str | None = None,
        piece_tokenizer: Tokenizer | None = None,
        rules: Mapping[str, str] | None = None,
        lower_case: bool = False,
        **options: Any,
    ) -> None:
        for name in ("tokenizer_file", "vocab_file"):
            options.pop(name, None)
        if piece_tokenizer is None:
            piece_tokenizer = Tokenizer.from_file(str(pieces_file))
            rules = json.loads(Path(str(rules_file)).read_text(encoding="utf-8"))
            options["tokenizer_object"] = Tokenizer.from_file(str(parts_file))
        self.piece_tokenizer = piece_tokenizer
        self.replacement = Replacement(rules or {})
        super().__init__(lower_case=lower_case, **options)  # type: ignore[no-untyped-call, unused-ignore]
        self.lower_case = lower_case
        self._special = re.compile("(" + "|".join(map(re.escape, self.all_special_tokens)) + ")")

    def lower_texts(self) -> None:
        """Lower-case texts first from now on, special tokens apart."""
        self.lower_case = self.init_kwargs["lower_case"] = True

    @property
    def before_lookup(self) -> str:
        """SHA-256 (hex) of all that happens to a text before its parts are looked up."""
        whole = f"{self.lower_case}\0{self.piece_tokenizer.to_str()}\0{self.replacement.digest}"
        return hashlib.sha256(whole.encode()).hexdigest()

    def parts(self, texts: Iterable[str]) -> list[list[str]]:
        """What each text is split into: tokens, and what is none in the vocabulary. A special token within a text
        ends what is before it, as if that were a text of its own."""
        cut = [self._special.split(text) for text in texts]  # every second one is a special token
        plain = [self._replaced(one) for segments in cut for one in segments[::2]]
        encodings = iter(self.piece_tokenizer.encode_batch(plain, add_special_tokens=False))
        return [
            [
                part
                for place, segment in enumerate(segments)
                for part in ([segment] if place % 2 else split_pieces(next(encodings).tokens))
            ]
            for segments in cut
        ]

    def _replaced(self, text: str) -> str:
        if self.lower_case:  # one by one: a sigma at the end of a word is like any other
            text = "".join([character.lower() for character in text])
        return self.replacement(text)

    def _encode_plus(  # type: ignore[override, unused-ignore]
        self, text: Any, text_pair: Any = None, **options: Any
    ) -> Any:
        if options.pop("is_split_into_words", False):
            raise ValueError("ERNIE-M's tokenizer takes texts, not words")

        def split(given: Any) -> Any:
            return self.parts([given])[0] if isinstance(given, str) else self.parts(given)

        pair = None if text_pair is None else split(text_pair)
        return super()._encode_plus(split(text), pair, is_split_into_words=True, **options)

    def _save_pretrained(
        self,
        save_directory: Any,
        file_names: tuple[str, ...],
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
    ) -> tuple[str, ...]:
        files = [Path(save_directory) / name for name in (PIECES_FILE, PARTS_FILE, RULES_FILE)]
        self.piece_tokenizer.save(str(files[0]))
        self.backend_tokenizer.save(str(files[1]))
        files[2].write_text(json.dumps(self.replacement.rules, ensure_ascii=False), encoding="utf-8")
        return (*file_names, *map(str, files))


ErnieMPieceTokenizer.register_for_auto_class("AutoTokenizer")  # type: ignore[no-untyped-call, unused-ignore]
