"""Mining that goes on after a kill: rows are mined in parts, each of which is kept in a file once it is done."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sweep.mining.search import Mined, Miner
from sweep.records.files import replacing_file

ROWS_PER_PART = 16_384  # what a kill can cost
ARRAYS = "size_r", "candidate_n", "score_n", "positive_r", "refused"  # of a part

log = logging.getLogger("sweep")

Progress = Callable[[int, int], None]  # rows done, rows in all


class Parts:
    """The files of a mining's parts in a folder of its own."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._ranges = [range(low, min(low + ROWS_PER_PART, rows)) for low in range(0, rows, ROWS_PER_PART)]
        self._rows = rows

    def mine(self, miner: Miner, progress: Progress) -> None:
        """Mine the parts that are not there yet."""
        for rows in self._ranges:
            if self._read(rows) is None:
                mined = miner.mine(rows)
                with replacing_file(self._file(rows), sole_writer=True) as draft, draft.open("wb") as content:
                    counts = np.array(json.dumps(mined.refused))
                    np.savez(content, **{**mined._asdict(), "refused": counts})
            progress(rows.stop, self._rows)

    def __iter__(self) -> Iterator[tuple[range, Mined]]:
        """The rows and the negatives of every part, in order."""
        for rows in self._ranges:
            mined = self._read(rows)
            assert mined is not None
            yield rows, mined

    def _file(self, rows: range) -> Path:
        return self._folder / f"part-{rows.start:010d}-{rows.stop:010d}.npz"

    def _read(self, rows: range) -> Mined | None:
        """A part, or None if it is not there; one that the disk has damaged is mined again."""
        file = self._file(rows)
        try:
            with np.load(file) as content:  # each array with its checksum
                arrays = {name: content[name] for name in ARRAYS}
        except FileNotFoundError:
            return None
        except (BadZipFile, ValueError, KeyError, EOFError, OSError):
            log.warning("%s is damaged; mining its rows again", file)
            return None
        return Mined(**{**arrays, "refused": Counter(json.loads(str(arrays["refused"])))})
