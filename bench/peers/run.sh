#!/bin/bash
# Tollgate beside HAProxy and nginx on one core each: installs what is missing, builds Release, runs
# the workloads and prints the tables. bench/peers/README.md says what is measured and how.
#
#   bench/peers/run.sh                                    W1 and W2, 5 rounds of 3 seconds
#   bench/peers/run.sh W1 --rounds 3 --seconds 2
#   bench/peers/run.sh W5 IDLE RATE ROUTES SWAP START     what else there are targets for; or: all
#   bench/peers/run.sh --strace --profile                 where the system calls and the time go
#   bench/peers/run.sh --help
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build

for argument in "$@"; do
  case $argument in -h | --help) exec python3 "$here/peers.py" --help ;; esac
done

"$root/deploy/scripts/install-deps.sh" bench >&2

echo "Building Release in ${build#"$root"/}" >&2
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON \
  --log-level=WARNING >&2
ninja -C "$build" tollgate-proxy tollgate-control tollgatectl bench-upstream bench-tokens \
  bench-scenario-load >&2
exec python3 "$here/peers.py" --bin "$build/bin" "$@"
