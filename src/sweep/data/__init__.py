"""Training data and benchmarks: parallel questions and passages in many languages."""
