#!/usr/bin/env bash
# Signals under load. SIGHUP: the access log is reopened, and after a rotation the old and the new
# file together have one line a request. SIGTERM: the sidecar drains; every request that was sent is
# answered, the log has a line for each, none was dropped.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rounds=${1:-3}

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
start_control
start_payments payments "$service_port"
write_policy
apply >/dev/null
bearer=$(token load payments.read)
lines() { cat "$run"/payments-1.access.log* | wc -l; }
grown() { (($(wc -l <"$run/payments-1.access.log" 2>/dev/null || echo 0) > 50)); }
requests=0
failed=0
reasons=
tally() { requests=$((requests + $(report load .requests))); failed=$((failed + $(report load .failed)))
  reasons+=$(report load '.reasons | keys[]'); }

echo "# SIGHUP"
start_sidecar payments-1 payments
await "$patience" ready payments-1
launch_load load "$inbound" -H "authorization: Bearer $bearer" --connections 4
for ((n = 1; n <= rounds; n++)); do
  await "$patience" grown
  mv "$run/payments-1.access.log" "$run/payments-1.access.log.$n"
  kill -HUP "${pid[payments-1]}"
  await "$patience" test -e "$run/payments-1.access.log"
done
await "$patience" grown
stop load
tally
all_there() { (($(lines) == requests)); }
await "$patience" all_there
check "$rounds rotations: $(lines) lines, $requests requests" all_there
check "written, by its own counter" test "$(metric payments-1 tollgate_access_log_written_total)" = "$requests"
check "none dropped" test "$(metric payments-1 tollgate_access_log_dropped_total)" = 0
check "none failed" test "$failed" = 0
stop payments-1
check "exit 0" test "$code" = 0

echo "# SIGTERM"
for ((n = 1; n <= rounds; n++)); do
  rm -f "$run"/payments-1.access.log*
  requests=0
  start_sidecar payments-1 payments
  await "$patience" ready payments-1
  # A client ends when its connection was closed and nobody listens any more.
  launch_load load "$inbound" -H "authorization: Bearer $bearer" --connections 8 --until-refused
  await "$patience" grown
  began=$(now_ms)
  stop payments-1
  took=$(($(now_ms) - began))
  check "exit 0" test "$code" = 0
  reap load
  tally
  check "drained in $took ms, long before the deadline" test "$took" -lt 15000
  check "$(lines) lines, $requests requests" test "$(lines)" = "$requests"
done
check "no request failed: $reasons" test "$failed" = 0

echo "# draining is visible"
start_sidecar payments-1 payments --drain-delay 2
await "$patience" ready payments-1
kill -TERM "${pid[payments-1]}"
draining() { contains "$(curl -s -m 2 "http://${admin[payments-1]}/ready")" draining; }
await "$patience" draining
http "$inbound" GET /v1/payments/7 -H "Authorization: Bearer $bearer"
check "within --drain-delay it is not ready, and still serves" test "$status" = 200
reap payments-1
check "exit 0" test "$code" = 0
finish
