"""BoT's network: the baseline's, whose head has the BN neck (`model.head.bn_neck`)."""

from svrn.parts.main_branch import MainBranchNetwork as Network

__all__ = ["Network"]
