"""GSTE's network: the baseline's."""

from svrn.parts.main_branch import MainBranchNetwork as Network

__all__ = ["Network"]
