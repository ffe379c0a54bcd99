"""The network: backbones, stages, salience, the unified layer (section III of the paper)."""

from svrn.model.groups import parameter_groups
from svrn.model.network import Network, build_network
from svrn.model.output import Output, StageOutput
from svrn.model.run import load_run

__all__ = ["Network", "Output", "StageOutput", "build_network", "load_run", "parameter_groups"]
