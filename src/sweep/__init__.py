"""Find the mix of monolingual and cross-lingual training batches that keeps retrieval aligned across languages."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.answer.notebook import OpenedStudy, open_study

# MLflow sends home what it is used for, from its first import on; this one comes before it, in every process.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

__version__ = "0.1.0"
__all__ = ["OpenedStudy", "__version__", "open_study"]


def __getattr__(name: str) -> Any:
    """What notebooks import, when they do: every command imports this module, and has no use for the rest."""
    if name in ("OpenedStudy", "open_study"):
        from sweep.answer import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
