"""What the user sees of a study: an answer, built once from its records, and what prints it."""
