"""What the entries `python -m sweep...` do, and the command line that they share."""
