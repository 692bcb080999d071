#!/bin/bash
# Tollgate, HAProxy and nginx in front of instances that fall sick: installs what is missing, builds
# Release, runs the scenarios and prints the table. README.md says what is measured and how.
#
#   bench/scenarios/run.sh                          all, 3 rounds of 3 seconds: ten minutes
#   bench/scenarios/run.sh --scenario slow --rounds 5
#   bench/scenarios/run.sh --check                  exit code 1 when Tollgate is worse in one
#   bench/scenarios/run.sh --help
# `overload.sh` is the same for three times as much as the instances can do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build
program=${TOLLGATE_SCENARIO_PROGRAM:-scenarios.py}

for argument in "$@"; do
  case $argument in -h | --help) exec python3 "$here/$program" --help ;; esac
done

"$root/deploy/scripts/install-deps.sh" bench >&2

echo "Building Release in ${build#"$root"/}" >&2
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON \
  --log-level=WARNING >&2
ninja -C "$build" tollgate-proxy tollgatectl bench-scenario-upstream bench-scenario-load >&2
exec python3 "$here/$program" --bin "$build/bin" "$@"
