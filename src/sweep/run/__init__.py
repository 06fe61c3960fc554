"""One run of a study: its driver, the supervision of its workers, and its progress."""
