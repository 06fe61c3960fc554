"""Exact ranks over pools of passages, and the metrics of retrieval and cross-language alignment on them."""
