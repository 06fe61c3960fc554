"""What every reader of training data or of a benchmark can do; `sweep.data.registry` names them by `kind`.

Facts that need no file are properties of their settings: `title` of training data, `search` of a benchmark.
"""

from pathlib import Path
from typing import Any, Protocol

from sweep.data.benchmark import Benchmark
from sweep.data.training_row import TrainingRows
from sweep.settings import LanguageSettings


class TrainingReader(Protocol):
    """Reads training data of one `kind`."""

    def open(self, settings: Any, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """The rows in `languages.train`, downloaded into the cache where needed. Raises InputError."""
        ...

    def languages(self, settings: Any) -> tuple[str, ...] | None:
        """All languages that there are; None if any can be asked for, or if only the rows say. Raises InputError."""
        ...


class BenchmarkReader(Protocol):
    """Reads benchmarks of one `kind`."""

    def load(self, settings: Any, languages: tuple[str, ...] | None, cache: Path) -> Benchmark:
        """The benchmark in these languages, or in all of its own. Raises InputError."""
        ...

    def languages(self, settings: Any) -> tuple[str, ...]:
        """All languages that it has of its own. Raises InputError."""
        ...
