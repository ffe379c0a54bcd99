"""Losses that methods share, and what every method's losses are."""

from svrn.parts.losses.method import LossParts, MethodLosses, weighted

__all__ = ["LossParts", "MethodLosses", "weighted"]
