#!/usr/bin/env bash
# An outbound sidecar that probes two instances, real processes: the one whose health check turns bad
# gets no more load within the thresholds, nobody notices, and it returns when the check is good
# again. A push in between keeps the verdict.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_keys
free_port; outbound=$port
endpoints=()
for n in 1 2; do
  free_port; service_port[n]=$port
  free_port; inbound=$port
  endpoints+=("{address: 127.0.0.1:$inbound, instance: payments-$n, local: 127.0.0.1:${service_port[n]}}")
done
# Probes go where requests go: through the sidecar beside the instance, to a public route.
service_more="health_check:
  http: /v1/healthz
  host: pay.it.example
  interval: 200ms
  timeout: 200ms
  unhealthy_threshold: 3
  healthy_threshold: 2"
post_more="priority: critical
      - name: health
        match: GET /healthz
        public: true"
start_control
for n in 1 2; do
  start_payments "service-$n" "${service_port[n]}"
  start_sidecar "payments-$n" payments
done
workers=2 start_sidecar checkout-1 checkout
write_policy
apply >/dev/null
for node in payments-1 payments-2 checkout-1; do await "$patience" ready "$node"; done
bearer=$(token load payments.read)

probed() { (($(metric checkout-1 'tollgate_health_checks_total{upstream="payments",result="success"}') > 8)); }
state() {  # state N: of the instance, as checkout-1 sees it
  curl -s -m 2 "http://${admin[checkout-1]}/upstreams" | jq -r --arg address "$(address "$1")" \
    '.upstreams[] | select(.name == "payments") | .endpoints[] | select(.address == $address) | .state'
}
address() { sed 's/{address: \([^,]*\),.*/\1/' <<<"${endpoints[$1 - 1]}"; }
is() { [[ $(state "$1") == "$2" ]]; }
health() { curl -s -X POST "http://127.0.0.1:${service_port[$1]}/_demo/health?status=$2" >/dev/null; }
requests() { curl -s "http://127.0.0.1:${service_port[$1]}/_demo/stats" | jq .requests; }
failed=0
share() {  # of service-2 in percent, in $percent
  out=$(load "$outbound" -H "authorization: Bearer $bearer" --connections 8 --requests 400 \
    --count-field x-instance)
  percent=$(jq '100 * (.counted["service-2"] // 0) / .requests | floor' <<<"$out")
  failed=$((failed + $(jq .failed <<<"$out")))
}

await "$patience" probed
check "both are healthy" test "$(state 1)/$(state 2)" = healthy/healthy
share; before=$percent

launch_load steady "$outbound" -H "authorization: Bearer $bearer" --connections 2 --rate 200
health 2 503
turned=$(now_ms)
await "$patience" is 2 unhealthy
took=$(($(now_ms) - turned))
seen=$(requests 2)
share; during=$percent
check "it got nothing more" test "$(requests 2)" -le $((seen + 4))

stamp=2
write_policy
apply --wait >/dev/null
check "a push keeps the verdict" is 2 unhealthy
share; pushed=$percent

health 2 200
await "$patience" is 2 healthy
share; after=$percent
stop steady
lost=$(report steady .failed)

echo "share of the second instance: $before % before, $during % unhealthy (after $took ms), $pushed % after a push, $after % healthy again"
check "before: both" test "$before" -ge 20 -a "$before" -le 80
check "unhealthy: nothing" test "$during/$pushed" = 0/0
check "healthy again: both" test "$after" -ge 20
check "no request failed" test "$failed/$lost" = 0/0
check "the change was counted" test \
  "$(metric checkout-1 'tollgate_health_changes_total{upstream="payments",to="unhealthy"}')" = 1
check "and logged" grep -q 'is unhealthy: 3 probes in a row failed, the last by unexpected_status' \
  "$run/checkout-1.log"
check "the return too" grep -q 'is healthy again' "$run/checkout-1.log"
check "no probe in the sidecar's access log of the caller" \
  test "$(grep -c healthz "$run/checkout-1.access.log")" = 0
finish
