"""ERNIE-M's tokenizer from the files that it is published with: sentencepiece.bpe.model and vocab.txt."""

import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, processors
from transformers.convert_slow_tokenizer import import_protobuf

from sweep.errors import InputError
from sweep.model.ernie_m.split_pieces import BLANK, ErnieMPieceTokenizer
from sweep.model.folder_files import model_file, model_json

SPECIAL = {
    "cls_token": "[CLS]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
NORMAL, UNKNOWN = 1, 2  # types of pieces in SentencePiece's format
UNIGRAM = 1
LABELS = range(1, 256)  # of a trie's children; zero is the end
IN_NO_TEXT = "\ufdd0"  # a code point that is no character, before pieces that SentencePiece never gives


def published_tokenizer(path: str, revision: str | None) -> ErnieMPieceTokenizer:
    """The tokenizer of a folder or repository. Raises InputError for a file that is missing or cannot be used."""
    files = {}
    for name in ("sentencepiece.bpe.model", "vocab.txt"):
        file = model_file(path, name, revision)
        if file is None:
            raise InputError(f"model.path={path}: ERNIE-M's tokenizer needs {name}, which is not there")
        files[name] = file
    settings = model_json(path, "tokenizer_config.json", revision) or {}
    try:
        pieces, rules = piece_tokenizer(files["sentencepiece.bpe.model"].read_bytes())
    except ValueError as error:
        raise InputError(f"model.path={path}: sentencepiece.bpe.model: {error}") from error
    vocabulary = _vocabulary(files["vocab.txt"])
    special = {name: _text(settings.get(name) or token) for name, token in SPECIAL.items()}
    for name, token in list(special.items()):
        if token not in vocabulary and name == "mask_token":  # no text needs it
            del special[name]
        elif token not in vocabulary:
            raise InputError(f"model.path={path}: vocab.txt has no line {token} ({name})")
    added = [_text(token) for token in (settings.get("added_tokens_decoder") or {}).values()]
    added += model_json(path, "added_tokens.json", revision) or {}
    if unknown := sorted(set(added) - set(special.values())):
        raise InputError(f"model.path={path}: its tokenizer has the added token {unknown[0]}, which is not read here")
    return ErnieMPieceTokenizer(
        piece_tokenizer=pieces,
        rules=rules,
        lower_case=bool(settings.get("do_lower_case")),
        tokenizer_object=part_tokenizer(vocabulary, special),
        **special,
    )


def _text(token: Any) -> str:
    return str(token["content"] if isinstance(token, Mapping) else token)


def _vocabulary(file: Path) -> dict[str, int]:
    """The number of each line, the last one of those that are the same."""
    with file.open(encoding="utf-8") as lines:
        return {line.rstrip("\n"): number for number, line in enumerate(lines)}


def piece_tokenizer(content: bytes) -> tuple[Tokenizer, dict[str, str]]:
    """What SentencePiece does, as a pipeline of `tokenizers`, and the rules by which it replaces characters before.
    Raises ValueError if they cannot do the same."""
    proto = import_protobuf().ModelProto()  # type: ignore[no-untyped-call]
    try:
        proto.ParseFromString(content)
    except Exception as error:  # protobuf's own, of which there are several
        raise ValueError(f"is no SentencePiece model ({error})") from error
    trained, normal = proto.trainer_spec, proto.normalizer_spec
    if trained.model_type != UNIGRAM:
        raise ValueError("is no unigram model, which is the only kind that is read here")
    if trained.byte_fallback or trained.treat_whitespace_as_suffix or not normal.add_dummy_prefix:
        raise ValueError("has byte_fallback, treat_whitespace_as_suffix or no add_dummy_prefix: not read here")
    if not (normal.remove_extra_whitespaces and normal.escape_whitespaces):
        raise ValueError("keeps whitespace as it is, which is not read here")
    vocabulary, unknown = [], None
    for place, piece in enumerate(proto.pieces):
        if piece.type not in (NORMAL, UNKNOWN, 3, 5):
            raise ValueError(f"has the piece {piece.piece} of type {piece.type}, which is not read here")
        unknown = place if piece.type == UNKNOWN else unknown
        name = piece.piece if piece.type == NORMAL else f"{IN_NO_TEXT}{piece.piece}"
        vocabulary.append((name, piece.score))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unknown, byte_fallback=False))
    steps = [
        normalizers.Replace(Regex(" {2,}"), " "),
        normalizers.Replace(Regex("^ "), ""),
        normalizers.Replace(Regex(f"[ {BLANK}]+$"), ""),
        normalizers.Prepend(BLANK),
        normalizers.Replace(" ", BLANK),
    ]
    tokenizer.normalizer = normalizers.Sequence(steps)
    return tokenizer, replacement_rules(normal.precompiled_charsmap)


@lru_cache(maxsize=2)
def replacement_rules(charsmap: bytes) -> dict[str, str]:
    """What SentencePiece's `precompiled_charsmap` replaces, and by what: a double-array trie of Darts-clone, with
    its size in front, whose values are places in the texts behind it, each of which ends in a zero byte."""
    if not charsmap:
        return {}
    size = int.from_bytes(charsmap[:4], "little")
    units, texts = struct.unpack_from(f"<{size // 4}I", charsmap, 4), charsmap[4 + size :]
    children: dict[int, list[int]] = {}  # by the place that their label is added to, in the sense of xor
    for place, unit in enumerate(units):
        if (label := unit & 0x800000FF) in LABELS:
            children.setdefault(place ^ label, []).append(place)
    rules: dict[str, str] = {}
    waiting = [(b"", _offset(units[0]))]  # nodes: what led there, and where their children begin
    while waiting:
        prefix, start = waiting.pop()
        for child in children.get(start, ()):
            source, base = prefix + bytes([child ^ start]), child ^ _offset(units[child])
            if units[child] >> 8 & 1:  # the value lies where a zero byte would lead to
                text = units[base] & 0x7FFFFFFF
                rules[source.decode()] = texts[text : texts.index(0, text)].decode()
            waiting.append((source, base))
    return rules


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 0x200) >> 6)


def part_tokenizer(vocabulary: Mapping[str, int], special: Mapping[str, str]) -> Tokenizer:
    """Looks up parts as they are, and puts `[CLS] parts [SEP]` together."""
    tokenizer = Tokenizer(models.WordLevel(dict(vocabulary), special["unk_token"]))
    first, last = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(token, vocabulary[token]) for token in (first, last)],
    )
    return tokenizer
