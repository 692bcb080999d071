#!/usr/bin/env bash
# start_time.sh [ROUNDS]: from exec to ready: the control plane with a release in its store, and a
# sidecar that has its last good release and no control plane. The median is printed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rounds=${1:-5}

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
start_control
start_sidecar payments-1 payments
write_policy
apply >/dev/null
await "$patience" serves payments-1 1
stop control
stop payments-1
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
control=()
sidecar=()
for ((n = 0; n < rounds; n++)); do
  : >"$run/control.log"
  began=$(now_ms)
  launch control tollgate-control --data-dir "$run/control" --listen "unix:$run/control.sock" \
    --admin "unix:$run/admin.sock"
  await "$patience" grep -q "ready: version" "$run/control.log"
  control+=($(($(now_ms) - began)))
  check "its store has the release" test "$(tollgatectl releases -o json | jq '.releases | length')" = 1
  stop control
done
for ((n = 0; n < rounds; n++)); do
  began=$(now_ms)
  start_sidecar payments-1 payments
  await "$patience" ready payments-1
  sidecar+=($(($(now_ms) - began)))
  stop payments-1
done
echo "control plane ready after $(median "${control[@]}") ms (${control[*]})," \
  "sidecar with its last good release after $(median "${sidecar[@]}") ms (${sidecar[*]})"
finish
