"""The losses of section III: identity and triplet, the cross-space constraint, the reward."""

from svrn.losses.total import LossParts, total_loss

__all__ = ["LossParts", "total_loss"]
