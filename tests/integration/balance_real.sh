#!/usr/bin/env bash
# An outbound sidecar over two instances, real processes: the share of one that becomes ten times
# slower falls, and comes back with it (peak EWMA).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
seconds=${1:-2}

make_keys
free_port; outbound=$port
endpoints=()
for n in 1 2; do
  free_port; service_port[n]=$port
  free_port; inbound=$port
  endpoints+=("{address: 127.0.0.1:$inbound, instance: payments-$n, local: 127.0.0.1:${service_port[n]}}")
done
start_control
for n in 1 2; do
  start_payments "service-$n" "${service_port[n]}" --delay-ms 5
  start_sidecar "payments-$n" payments
done
start_sidecar checkout-1 checkout
write_policy
apply >/dev/null
for node in payments-1 payments-2 checkout-1; do await "$patience" ready "$node"; done
bearer=$(token load payments.read)
share() {  # of service-2 in percent, in $percent
  out=$(load "$outbound" -H "authorization: Bearer $bearer" --connections 8 --seconds "$seconds" \
    --count-field x-instance)
  percent=$(jq '100 * (.counted["service-2"] // 0) / .requests | floor' <<<"$out")
  failed=$((failed + $(jq .failed <<<"$out")))
}
delay() { curl -s -X POST "http://127.0.0.1:${service_port[2]}/_demo/delay?ms=$1" >/dev/null; }
failed=0
share; before=$percent
delay 50
share; during=$percent
delay 5
# The slow answers are forgotten with a time constant of ten seconds.
for _ in {1..15}; do share; after=$percent; ((after < 30)) || break; done
echo "share of the second instance: $before % before, $during % ten times slower, $after % after"
check "before: about half" test "$before" -ge 30 -a "$before" -le 70
check "ten times slower: at most half of what it had" test $((during * 2)) -le "$before"
check "after: about half again" test "$after" -ge 30 -a "$after" -le 70
check "no request failed" test "$failed" = 0
finish
