"""Encoders: text in, one L2-normalised vector out."""
