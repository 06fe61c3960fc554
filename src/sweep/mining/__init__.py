"""Hard negatives for training data, mined with an encoder."""
