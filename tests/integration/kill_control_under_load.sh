#!/usr/bin/env bash
# kill_control_under_load.sh [ROUNDS]: the control plane is killed while it publishes, again and
# again. Sidecars go on without a failed request; no release that was acknowledged to an operator is
# lost; the store opens clean; the sidecar reconnects and converges to the newest release.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rounds=${1:-6}

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
start_control
start_payments payments "$service_port"
start_sidecar payments-1 payments
stamp=0
write_policy
apply >/dev/null
await "$patience" serves payments-1 1
bearer=$(token load payments.read)
launch_load load "$inbound" -H "authorization: Bearer $bearer" --connections 2 \
  --same x-route-stamp,x-plan-stamp,x-upstream-stamp

head_release() { tollgatectl releases -n 1 -o json | jq -r '.releases[0].release'; }
acknowledged=1
in_flight=0
lost=0
longest_start=0
for ((round = 1; round <= rounds; round++)); do
  # Publishes until the kill; what was acknowledged last is in the file.
  echo "$acknowledged" >"$run/acknowledged"
  publish_until_killed() {
    while true; do
      stamp=$((++count))
      write_policy
      echo asked >"$run/asking"
      answer=$(apply -o json 2>>"$run/apply.err") || return 0
      rm "$run/asking"
      jq -r .release <<<"$answer" >"$run/acknowledged"
    done
  }
  count=$((round * 1000))
  rm -f "$run/asking"
  publish_until_killed &
  publisher=$!
  # Somewhere in the work: after the first few answers, at a moment that differs each round.
  more() { [[ $(<"$run/acknowledged") -gt $acknowledged ]]; }
  await "$patience" more
  for ((i = RANDOM % 12; i > 0; i--)); do pause; done
  stop control KILL
  wait "$publisher"
  [[ -e $run/asking ]] && in_flight=$((in_flight + 1))
  acknowledged=$(<"$run/acknowledged")
  began=$(now_ms)
  start_control
  took=$(($(now_ms) - began))
  longest_start=$((took > longest_start ? took : longest_start))
  head=$(head_release)
  ((head >= acknowledged)) || lost=$((lost + 1))
  acknowledged=$head
done
began=$(now_ms)
await 60 serves payments-1 "$acknowledged"
echo "$rounds kills, $in_flight between request and answer; head is release $acknowledged; control" \
  "plane back within $longest_start ms; sidecar converged $(($(now_ms) - began)) ms after the last"
stop load
out=$(tail -n 1 "$run/load.log")
echo "$(jq -c '{requests, failed, torn, p99_us, max_us, reasons}' <<<"$out")"
check "no acknowledged release was lost" test "$lost" = 0
check "no request failed" test "$(jq .failed <<<"$out")" = 0
check "the stamps of every response agree" test "$(jq .torn <<<"$out")" = 0
in_step() { contains "$(tollgatectl proxies)" SYNCED; }  # once it has connected again
await 30 in_step
check "operators see the sidecar in step" in_step
stop payments-1
check "the sidecar ends in order" test "$code" = 0
finish
