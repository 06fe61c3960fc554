"""Find the mix of monolingual and cross-lingual training batches that keeps retrieval aligned across languages."""

__version__ = "0.1.0"
