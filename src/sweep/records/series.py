"""Series of numbers in CSV files that grow line by line: the curves of a training."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from sweep.errors import SweepError


def read_series(file: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a file by name, each with as many values as there are rows; NaN where a cell is empty. Without
    the last line if that has no end: it is being written. Nothing if there is no such file, or no row.

    Raises SweepError if a cell is no number, or a row has other columns than the first one says.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    content = content[: content.rfind(b"\n") + 1]
    if not content:
        return {}
    try:
        header = next(csv.reader([content[: content.index(b"\n")].decode()]))
        options = arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.float64()), null_values=[""])
        table = arrow_csv.read_csv(
            io.BytesIO(content), convert_options=options, read_options=arrow_csv.ReadOptions(use_threads=False)
        )
    except (pa.ArrowException, ValueError, StopIteration) as error:
        reason = (str(error).splitlines() or ["it is empty"])[0]
        raise SweepError(
            f"{file} is damaged ({reason}): delete it, and the study is shown without this curve"
        ) from error
    if not len(table):
        return {}
    return {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}
