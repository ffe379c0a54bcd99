#!/usr/bin/env bash
# Prints running, success or failed for a job that submit.sh submitted; what cannot be asked just now is running.
set -uo pipefail
number=${1#*:}
case $1 in
  lsf:*)
    case $(bjobs -a -noheader -o stat "$number" 2>/dev/null) in
      DONE) echo success ;;
      EXIT | ZOMBI) echo failed ;;
      *) echo running ;;
    esac
    ;;
  pbs:*)
    facts=$(qstat -x -f "$number" 2>/dev/null) || { echo running; exit 0; }
    case $facts in
      *"job_state = F"*)
        case $facts in
          *"Exit_status = 0"*) echo success ;;
          *) echo failed ;;
        esac
        ;;
      *) echo running ;;
    esac
    ;;
esac
