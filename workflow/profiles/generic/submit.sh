#!/usr/bin/env bash
# Submits Snakemake's job script to LSF or PBS and prints the job's number, headed by the scheduler's name.
set -euo pipefail
while [ $# -gt 1 ]; do
  case $1 in
    --scheduler) scheduler=$2 ;;
    --queue) queue=$2 ;;
    --name) name=$2 ;;
    --cores) cores=$2 ;;
    --gpus) gpus=$2 ;;
    --memory) memory=$2 ;;
    --minutes) minutes=$2 ;;
    *) echo "submit.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
script=$1
mkdir -p logs/cluster
case $scheduler in
  lsf)
    words=(-q "$queue" -J "$name" -n "$cores" -M "${memory}MB" -W "$minutes" -o "logs/cluster/$name.%J.log")
    [ "$gpus" = 0 ] || words+=(-gpu "num=$gpus:mode=shared")
    bsub "${words[@]}" "$script" | sed -n 's/^Job <\([0-9]*\)>.*/lsf:\1/p'
    ;;
  pbs)
    chunk="select=1:ncpus=$cores:mem=${memory}mb"
    [ "$gpus" = 0 ] || chunk+=":ngpus=$gpus"
    number=$(qsub -q "$queue" -N "$name" -l "$chunk" -l "walltime=$((minutes / 60)):$((minutes % 60)):00" \
      -j oe -o logs/cluster/ "$script")
    echo "pbs:$number"
    ;;
  *) echo "submit.sh: --scheduler is lsf or pbs, not $scheduler" >&2; exit 2 ;;
esac
