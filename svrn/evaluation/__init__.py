"""Evaluation of embeddings: exact metrics by protocol, re-ranking, intervals, the embedding pass, search."""
