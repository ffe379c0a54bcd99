"""SCSN's losses: identity and triplet, summed over the stages."""

from svrn.parts.losses import MethodLosses as Losses

__all__ = ["Losses"]
