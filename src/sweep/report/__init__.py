"""What the user sees of a study: progress, tables, files; reads records only."""
