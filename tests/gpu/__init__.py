"""What is checked on a GPU. `python -m pytest tests/gpu`, or without pytest `python -m tests.gpu`."""
