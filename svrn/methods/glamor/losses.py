"""GLAMOR's losses: identity and triplet as everywhere."""

from svrn.parts.losses import MethodLosses as Losses

__all__ = ["Losses"]
