#!/bin/sh
# Snakemake calls this in the new conda environment: the package joins what it depends on. The workflow says where it is
# (SVRN_SOURCE): this repository's folder, or what pip was told when svrn was installed beside Snakemake.
set -eu
if [ -d "$SVRN_SOURCE" ]; then
  python -m pip install --no-deps --no-input --editable "$SVRN_SOURCE"
else
  python -m pip install --no-deps --no-input "$SVRN_SOURCE"
fi
