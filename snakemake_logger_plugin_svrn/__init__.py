"""The project's Snakemake plugin: a summary of failures and time left, and one mended trap of the command line.

Snakemake loads plugins before it parses its arguments, which is what lets `arguments.mend` do its work.
"""

from __future__ import annotations

import sys

from snakemake_logger_plugin_svrn.arguments import meant_for_this_project, mend
from snakemake_logger_plugin_svrn.handler import LogHandler

__all__ = ["LogHandler"]

if meant_for_this_project(sys.argv):
    sys.argv[1:] = mend(sys.argv[1:])
