"""Contrastive training on hybrid batches."""
