"""ERNIE-M (Ouyang et al. 2021, arXiv 2012.15674), which transformers no longer has: as an XLM-R with a tokenizer of
its own."""
