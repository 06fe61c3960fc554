"""Find the mix of monolingual and cross-lingual training batches that keeps retrieval aligned across languages."""

import os

# MLflow sends home what it is used for, from its first import on; this one comes before it, in every process.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

__version__ = "0.1.0"
