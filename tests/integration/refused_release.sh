#!/usr/bin/env bash
# A release that a sidecar cannot apply for a real cause, a port that is taken: the operator is told
# which sidecar, which field and why; the release before goes on; the next good one is adopted.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_keys
free_port; service_port=$port
free_port; inbound=$port
free_port; moved=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
start_control
start_payments payments "$service_port"
start_sidecar payments-1 payments
start_sidecar stranger-1 nobody-knows
await "$patience" eval '(($(tollgatectl proxies -o json | jq ".proxies | length") == 2))'
write_policy
told=$(apply --wait 2>&1)
code=$?
check "the first apply --wait ($told)" test "$code" = 0
check "waits for the sidecar" contains "$told" "payments-1 serves release 1"
check "a stranger is no obstacle" contains "$told" "stranger-1 is not served"
check "and is told why" contains "$told" '"nobody-knows"'
stop stranger-1
await "$patience" serves payments-1 1
bearer=$(token load payments.read)
listen_at() {
  printf 'kind: Listener\nname: payments\naddress: 127.0.0.1:%s\n' "$1" >"$run/policy/listener.yaml"
}
launch_load load "$inbound" -H "authorization: Bearer $bearer" --connections 2 \
  --count-field x-route-stamp

listen_at "$service_port"  # which the service has
stamp=2
write_policy
told=$(apply --wait 2>&1)
code=$?
check "apply --wait exits 6" test "$code" = 6
check "it names the sidecar" contains "$told" "payments-1 refused release 2"
check "the cause" contains "$told" ADDRESS_IN_USE
check "the field" contains "$told" address
check "and the value" contains "$told" "127.0.0.1:$service_port"
shown=$(tollgatectl proxies)
check "proxies shows the state" contains "$shown" REFUSED
check "and the cause" contains "$shown" ADDRESS_IN_USE
json=$(tollgatectl proxies -o json)
proxy() { jq -r ".proxies[0].$1" <<<"$json"; }
check "for programs: the code" test "$(proxy 'errors[0].code')" = ADDRESS_IN_USE
check "for programs: the field path" test "$(jq -r '.proxies[0].errors[0] | .field_path // .fieldPath' <<<"$json")" = address
check "the sidecar serves release 1" serves payments-1 1
check "and is ready" ready payments-1 >/dev/null
http "$inbound" GET /v1/payments/7 -H "Authorization: Bearer $bearer"
check "with release 1's policy, not a part of release 2's" contains "$out" "x-route-stamp: 1"

listen_at "$moved"
stamp=3
write_policy
told=$(apply --wait 2>&1)
code=$?
check "the next good release is adopted ($told)" test "$code" = 0
stop load
field() { report load "$1"; }
echo "$(field .requests) requests at the first address: $(field .counted), reasons $(field .reasons)"
check "nobody was served release 2" test "$(field '.counted["2"]')" = null
http "$moved" GET /v1/payments/7 -H "Authorization: Bearer $bearer"
check "at the new address" contains "$out" "x-route-stamp: 3"
check "the old address is closed" eval '! (exec 3<>/dev/tcp/127.0.0.1/$inbound) 2>/dev/null'
check "proxies shows it in order again" contains "$(tollgatectl proxies)" SYNCED

told=$(tollgatectl explain payments-1 GET http://pay.it.example/v1/payments/7)
check "explain names the upstream" contains "$told" UPSTREAM
check "the permission that the route demands" contains "$told" payments.read
check "and the release" contains "$told" "release 3"
check "of an unknown path it says 404" contains \
  "$(tollgatectl explain payments-1 GET http://pay.it.example/nowhere)" "refuses: 404"
detail=$(tollgatectl proxies payments-1)
check "proxies NODE shows usage" contains "$detail" "requests"
check "for programs too" test "$(tollgatectl proxies payments-1 -o json | jq '.proxies[0].usage.requests')" != null
finish
