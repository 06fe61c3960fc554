"""The ranks of every question in one Parquet file, from which every rank metric can be computed without the model.

A row is a question: its translation group, its language, and for each of its relevant passages the language, the
grade and the ranks (0: not among the first `depth`, where a search had a depth); where questions ignore passages, how
many of each language. The schema's metadata has the rest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.evaluation.ranking import FAR, PAD, TOP_UNITS, Pooled, Ranking, Search
from sweep.records.files import replacing_file

META = b"sweep.ranking"
DIGEST = b"sweep.sha256"
FORMAT = 1
DAMAGE = (LookupError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)  # what reading may run into
NOT_FOUND = 0


def write_ranking(file: Path, ranking: Ranking, tiers: dict[str, frozenset[str]]) -> None:
    """Write atomically. `tiers` are kept with the ranks, so that a later comparison has the same ones."""
    real_qr = ranking.own_qr != PAD
    codes = np.array(ranking.languages)
    columns = {
        "group": pa.array([ranking.groups[index] for index in ranking.group_q]),
        "language": pa.array(codes[ranking.language_q]).dictionary_encode(),
        "relevant_language": _lists(ranking.relevant_language_qr.astype(np.int16), real_qr),
        "grade": _lists(ranking.grade_qr, real_qr),
        "own_rank": _lists(_stored(ranking.own_qr), real_qr),
    }
    if ranking.pooled is not None:
        pooled = ranking.pooled
        columns |= {
            "pooled_rank": _lists(pooled.rank_qr, real_qr),
            "top_language": pa.array(codes[pooled.top_language_q]).dictionary_encode(),
            "top_relevant": pa.array(pooled.top_relevant_q),
            "top_units": pa.FixedSizeListArray.from_arrays(pa.array(pooled.units_qk.ravel()), TOP_UNITS),
        }
    if ranking.ignored_ql is not None:
        columns["ignored"] = pa.FixedSizeListArray.from_arrays(
            pa.array(ranking.ignored_ql.ravel()), len(ranking.languages)
        )
    meta = {
        "format": FORMAT,
        "benchmark": ranking.benchmark,
        "languages": ranking.languages,
        "pool_sizes": ranking.pool_size_l.tolist(),
        "search": asdict(ranking.search),
        "tiers": {name: sorted(members) for name, members in tiers.items()},
    }
    table = pa.table(columns)
    text = json.dumps(meta).encode()
    table = table.replace_schema_metadata({META: text, DIGEST: _digest(table, text)})
    with replacing_file(file) as draft:
        pq.write_table(table, draft, compression="zstd", write_page_checksum=True)


def _digest(table: pa.Table, meta: bytes) -> bytes:
    """SHA-256 (hex) of what the table says, however it is encoded in the file."""
    digest = hashlib.sha256(meta)
    for name in sorted(table.column_names):
        column = table[name].combine_chunks()
        digest.update(f"\n{name}\n".encode())
        if pa.types.is_list(column.type):
            digest.update(column.value_lengths().to_numpy(zero_copy_only=False).astype("<i8").tobytes())
        if pa.types.is_nested(column.type):
            column = column.flatten()
        if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
            digest.update(_json(column).encode())
        else:
            digest.update(column.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    return digest.hexdigest().encode()


def _json(column: pa.Array) -> str:
    """What `json.dumps` makes of the texts, in a fifth of the time where they repeat, as groups and languages do."""
    if column.null_count:
        return json.dumps(column.to_pylist())
    known, place_n = _numbered(column)
    texts = [json.dumps(text) for text in known]
    return f"[{', '.join([texts[place] for place in place_n.tolist()])}]"


def _numbered(column: pa.Array) -> tuple[list[str], NDArray[np.int64]]:
    """The different texts of a column without gaps, and the place of each row's among them."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _places(column: pa.ChunkedArray, order: Mapping[str, int]) -> NDArray[np.int64]:
    """The place of each row's text in an order. Raises KeyError for one that is not in it, ValueError for a gap."""
    if column.null_count:
        raise ValueError("a text is missing")
    known, place_n = _numbered(column.combine_chunks())
    return np.array([order[text] for text in known], np.int64)[place_n]


def _stored(ranks_qr: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(ranks_qr == FAR, NOT_FOUND, ranks_qr)


def _lists(value_qr: NDArray[np.generic], real_qr: NDArray[np.bool_]) -> pa.Array:
    offsets = np.r_[0, real_qr.sum(1).cumsum()].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(value_qr[real_qr]))


def benchmark_of(file: Path) -> str:
    """The benchmark that a file has ranks of, without reading these. Raises InputError if it is none of ours."""
    try:
        return str(json.loads((pq.read_schema(file).metadata or {})[META])["benchmark"])
    except (*DAMAGE, OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: is no file of ranks, or is damaged ({reason})") from error


def read_ranking(file: Path) -> tuple[Ranking, dict[str, frozenset[str]]]:
    """The ranking and the tiers. Raises InputError if the file is not one of ours, or if its content is not what its
    checksum says; files of earlier versions have none."""
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as columns:  # read_table imports pandas
            table = columns.read(use_threads=False)  # of a small file a thread a column takes longer
        metadata = table.schema.metadata or {}
        if metadata.get(DIGEST) not in (None, _digest(table, metadata[META])):
            raise ValueError("its checksum is another")
        return _ranking(file, table, json.loads(metadata[META]))
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (*DAMAGE, OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: is no file of ranks, or is damaged ({reason})") from error


def _ranking(file: Path, table: pa.Table, meta: dict[str, Any]) -> tuple[Ranking, dict[str, frozenset[str]]]:
    if meta["format"] != FORMAT:
        raise InputError(f"{file}: has format {meta['format']}, this version reads {FORMAT}; evaluate again")
    languages = tuple(meta["languages"])
    index = {code: place for place, code in enumerate(languages)}
    groups = tuple(sorted(table["group"].unique().to_pylist()))
    number = {group: place for place, group in enumerate(groups)}
    own_qr = _padded(table["own_rank"], PAD)
    real_qr = np.arange(own_qr.shape[1]) < table["own_rank"].combine_chunks().value_lengths().to_numpy()[:, None]
    own_qr = np.where(real_qr & (own_qr == NOT_FOUND), FAR, own_qr).astype(np.int32)
    pooled = None
    if "pooled_rank" in table.column_names:
        units = table["top_units"].combine_chunks().flatten().to_numpy().reshape(-1, TOP_UNITS)
        pooled = Pooled(
            rank_qr=_padded(table["pooled_rank"], PAD),
            top_language_q=_places(table["top_language"], index),
            top_relevant_q=table["top_relevant"].to_numpy(),
            units_qk=units.astype(np.int32),
        )
    ignored_ql = None
    if "ignored" in table.column_names:
        ignored = table["ignored"].combine_chunks().flatten().to_numpy()
        ignored_ql = ignored.reshape(-1, len(languages)).astype(np.int32)
    ranking = Ranking(
        benchmark=meta["benchmark"],
        languages=languages,
        groups=groups,
        group_q=_places(table["group"], number),
        language_q=_places(table["language"], index),
        relevant_language_qr=_padded(table["relevant_language"], -1),
        grade_qr=_padded(table["grade"], 0),
        own_qr=own_qr,
        pool_size_l=np.array(meta["pool_sizes"]),
        pooled=pooled,
        search=Search(**meta["search"]),
        ignored_ql=ignored_ql,
    )
    return ranking, {name: frozenset(members) for name, members in meta["tiers"].items()}


def _padded(column: pa.ChunkedArray, padding: int) -> NDArray[np.int32]:
    lists = column.combine_chunks()
    lengths = lists.value_lengths().to_numpy()
    real_qr = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
    value_qr = np.full(real_qr.shape, padding, np.int32)
    value_qr[real_qr] = lists.flatten().to_numpy()
    return value_qr
