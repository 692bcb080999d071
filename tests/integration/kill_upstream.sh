#!/usr/bin/env bash
# kill_upstream.sh [ROUNDS]: one of two instances is killed and restarted under load. No GET fails
# (none of their responses had begun). No POST arrives twice, by what the instances wrote down when
# it arrived; and one that failed says "outcome unknown" if it did arrive.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rounds=${1:-4}

make_keys
free_port; outbound=$port
endpoints=()
for n in 1 2; do
  free_port; service_port[n]=$port
  free_port; inbound[n]=$port
  endpoints+=("{address: 127.0.0.1:${inbound[n]}, instance: payments-$n, local: 127.0.0.1:${service_port[n]}}")
done
service_more="retry_budget: {percent: 100, min_concurrent: 50}
outlier_detection: {base_ejection: 1s}"
get_retry='{max_retries: 3, when: [connection-lost, status-502, status-503], other_endpoint: true}'
post_more='retry: {max_retries: 2, when: [not-sent], other_endpoint: true}'
start_control
instance() {  # instance N
  start_payments "service-$1" "${service_port[$1]}" --delay-ms 2 --journal "$run/journal"
}
for n in 1 2; do
  instance "$n"
  start_sidecar "payments-$n" payments
done
start_sidecar checkout-1 checkout
write_policy
apply >/dev/null
for node in payments-1 payments-2 checkout-1; do await "$patience" ready "$node"; done

bearer=$(token load "payments.read payments.write")
launch_load gets "$outbound" -H "authorization: Bearer $bearer" --connections 3 \
  --rate 300 --count-field x-instance --failures "$run/gets.failed"
launch_load posts "$outbound" -H "authorization: Bearer $bearer" --connections 3 \
  --rate 300 --method POST --path /v1/payments --payment-prefix pay- --failures "$run/posts.failed"
seen() { (($(curl -s "http://127.0.0.1:${service_port[$1]}/_demo/stats" | jq .requests) > $2)); }
for ((round = 0; round < rounds; round++)); do
  await "$patience" seen 1 20
  stop service-1 KILL
  # The other one goes on alone for a while.
  alone=$(curl -s "http://127.0.0.1:${service_port[2]}/_demo/stats" | jq .requests)
  await "$patience" seen 2 $((alone + 100))
  instance 1
done
await "$patience" seen 1 20
stop gets
stop posts
gets=$(tail -n 1 "$run/gets.log")
posts=$(tail -n 1 "$run/posts.log")
arrived=$(sort -u "$run/journal" | wc -l)
twice=$(sort "$run/journal" | uniq -d | wc -l)
# Failed, not said to be unknown, and yet in the journal.
silent=$(awk 'NR == FNR { arrived[$1] = 1; next } $3 != "unknown" && ("pay-" $1) in arrived' \
  "$run/journal" "$run/posts.failed" | wc -l)
unknown=$(grep -c unknown "$run/posts.failed")
echo "$rounds kills: GET $(jq -c '{requests, statuses, counted, reasons, p99_us, max_us}' <<<"$gets")"
echo "POST $(jq -c '{requests, statuses, p99_us}' <<<"$posts"), $arrived arrived, $unknown unknown"
check "no GET failed" test "$(jq .failed <<<"$gets")" = 0
check "both instances answered" test "$(jq '.counted | length' <<<"$gets")" = 2
check "no POST arrived twice" test "$twice" = 0
check "every POST that succeeded did arrive" test "$arrived" -ge "$(jq '.statuses["201"]' <<<"$posts")"
check "a failed POST that arrived says so" test "$silent" = 0
check "no POST was left without an answer" test "$(jq .lost <<<"$posts")" = 0
finish
