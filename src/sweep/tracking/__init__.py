"""MLflow: one experiment a study, a parent run, one nested run a trial; the only package that knows MLflow."""
