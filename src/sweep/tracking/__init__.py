"""Trackers show a study: they mirror its folder, which is the truth. Only `mlflow_runs` knows MLflow."""
