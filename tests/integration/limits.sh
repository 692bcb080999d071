#!/usr/bin/env bash
# Limits in depth with real processes: composite keys, requests in progress, costs, fields for
# clients, shadow mode, and who is near a limit as `tollgatectl limits` shows it. Two workers.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
post_more="plan: amounts
        cost: {json: /amount, divide: 100, max: 50}"
write_policy
cat >>"$run/policy/policy.yaml" <<YAML
---
kind: Plan
name: amounts
limit: 100/hour
algorithm: gcra
per: [consumer, route]
headers: draft-10
YAML
sed -i 's#^limit: 100000/second$#limit: 4/hour#' "$run/policy/policy.yaml"
sed -i '/^name: plan$/,/^---/ s#^per: consumer#per: [consumer, route]\nheaders: draft-10#' \
  "$run/policy/policy.yaml"
sed -i '/^name: plenty$/,/^---/ s#^limit: .*#limit: 1/hour\nmode: shadow#' "$run/policy/policy.yaml"
start_control
start_payments payments "$service_port"
workers=2 start_sidecar payments-1 payments
apply >"$run/apply.log" 2>&1 || { cat "$run/apply.log"; exit 1; }
await "$patience" serves payments-1 1
shop=$(token shop "payments.read payments.write")
loader=$(token load "payments.read payments.write")
get() { http "$inbound" GET /v1/payments/7 -H "Authorization: Bearer $1"; }
pay() {  # pay BODY
  http "$inbound" POST /v1/payments -H "Authorization: Bearer $shop" \
    -H "Content-Type: application/json" -d "$1"
}
sent() { curl -s "http://127.0.0.1:$service_port/_demo/stats" | jq '.requests // .total // 0'; }

echo "# composite keys, and what clients are told"
for n in 1 2 3 4; do get "$shop"; check "request $n of 4" test "$status" = 200; done
check "the fields say so" grep -qi '^ratelimit: "h";r=0;t=' <<<"$out"
check "and the policy" grep -qi '^ratelimit-policy: "h";q=4;w=3600' <<<"$out"
get "$shop"
check "the fifth is refused" test "$status" = 429
check "with Retry-After" grep -qiE '^retry-after: [0-9]+' <<<"$out"
check "and the problem names the policy" contains "$out" '"violated-policies":["h"]'

echo "# costs"
pay '{"amount": 4000}'
check "40 of 100 units" test "$status" -lt 300
check "another route has a counter of its own" grep -qi '"route-h";r=60' <<<"$out"
pay '{"amount": 5001}'
check "more than the most is refused for good" test "$status" = 403
check "without Retry-After" test -z "$(grep -i '^retry-after' <<<"$out")"
pay '{"amount": "a lot"}'
check "what is no number is refused" test "$status" = 400
check "and says why" contains "$out" cost_not_a_number
pay '{"amount": 5000}'
check "50 more units" test "$status" -lt 300
pay '{"amount": 2000}'
check "20 are too many now" test "$status" = 429

echo "# shadow mode"
for n in 1 2 3; do get "$loader"; check "request $n though the limit is 1" test "$status" = 200; done
shadowed() {
  [[ $(metric payments-1 'tollgate_limited_total{plan="plenty",result="shadow"}') == 2 ]]
}
check "the metric counts what would have been refused" shadowed
await "$patience" grep -q '"shadow_plan":"plenty"' "$run/payments-1.access.log"
check "explain says so" contains "$(tollgatectl explain payments-1 GET \
  http://pay.it.example/v1/payments/7)" "the Consumer's plan"

echo "# who is near a limit"
listed() { tollgatectl limits | grep -q "consumer=shop route=payments/v1/get"; }
await "$patience" listed
table=$(tollgatectl limits --service payments --top 5)
echo "$table"
check "the consumer that has used all of it" grep -qE \
  'payments-1 +plan +consumer=shop route=payments/v1/get +4/3600s +4 +4 +100% +1 +enforce' <<<"$table"
check "the one in shadow mode" grep -qE 'plenty +consumer=load +1/3600s .* shadow' <<<"$table"
check "the amounts" grep -qE 'amounts +consumer=shop route=payments/v1/create +100/3600s +90 +100' \
  <<<"$table"
check "no other service" test "$(tollgatectl limits --service other -o json | jq '.rows | length')" = 0
check "one row" test "$(tollgatectl limits --top 1 -o json | jq '.rows | length')" = 1
finish
