#!/bin/bash
# Three times what an instance can do, for a minute: what gets through in time, and the proxy's
# memory. README.md says how.
#
#   bench/scenarios/overload.sh [--seconds 60] [--factor 3] [--check]
here=$(cd "$(dirname "$0")" && pwd)
TOLLGATE_SCENARIO_PROGRAM=overload.py exec "$here/run.sh" "$@"
