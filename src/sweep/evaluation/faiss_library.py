"""FAISS, imported behind torch: a FAISS of another CUDA than torch's that comes first was reported to crash torch."""

import torch

# isort: split
import faiss

__all__ = ["faiss", "torch"]
