"""What a worker does: claim trials, and train and evaluate each of them."""
