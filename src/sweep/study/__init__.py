"""The study: its space, its points, and who runs what; the only package that knows Optuna."""
