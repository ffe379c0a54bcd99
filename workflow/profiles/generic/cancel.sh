#!/usr/bin/env bash
# Cancels jobs that submit.sh submitted.
set -uo pipefail
for job in "$@"; do
  case $job in
    lsf:*) bkill "${job#*:}" ;;
    pbs:*) qdel "${job#*:}" ;;
  esac
done
