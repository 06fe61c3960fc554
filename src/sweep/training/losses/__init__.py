"""Contrastive losses. A new one: its module here, its settings in `sweep.settings.loss`, a line in `registry`."""
