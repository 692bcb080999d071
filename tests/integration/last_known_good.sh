#!/usr/bin/env bash
# A sidecar that starts without a control plane: serves its last good release and says how old it
# is; not when that is older than --max-stale; and not what it cannot open or trust, and says why.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
start_control
start_payments payments "$service_port"
start_sidecar payments-1 payments
write_policy
apply >/dev/null
await "$patience" serves payments-1 1
bearer=$(token load payments.read)
stop payments-1
check "the sidecar ends in order" test "$code" = 0
stop control
check "so does the control plane" test "$code" = 0
state=$run/state-payments-1
check "the state is private: directory" test "$(stat -c %a "$state")" = 700
check "and file" test "$(stat -c %a "$state/policy.lkg")" = 600
cp -a "$state" "$run/good"
since=$(now_ms)

restart() {  # restart FLAGS...: with a log of its own
  rm -f "$run/payments-1.log"
  start_sidecar payments-1 payments "$@"
  await "$patience" live payments-1
}
restored() { rm -rf "$state" && cp -a "$run/good" "$state"; }
served() { http "$inbound" GET /v1/payments/7 -H "Authorization: Bearer $bearer"; }
says() { contains "$(<"$run/payments-1.log")" "$1"; }
refused() {  # refused WHAT: it lives, and serves nothing
  check "$1: not ready" eval '! ready payments-1 >/dev/null'
  check "$1: says so" contains "$(curl -s "http://${admin[payments-1]}/ready")" "no policy"
  check "$1: nothing is served" eval 'served; [[ -z $status || $status == 503 ]]'
}

echo "# served"
restart
await "$patience" ready payments-1
check "/stats says what it serves and how old it is" grep -qE \
  'last-known-good release 1, [0-9]+ s old' <<<"$(stats payments-1 '.notes[]')"
check "/ready says it too" contains "$(ready payments-1)" "last-known-good release 1"
served
check "it serves" test "$status" = 200
check "another process cannot take the same state" eval '! timeout 10 tollgate-proxy --node payments-1 \
  --service payments --control "unix:$run/control.sock" --state-dir "$state" \
  --state-key-file "$run/state.key" --access-log none >"$run/second.out" 2>&1'
check "it is told why: $(tail -n 1 "$run/second.out")" grep -q "$state" "$run/second.out"
start_control
await 60 connected payments-1
fresh() { [[ $(stats payments-1 '.notes | length') == 0 ]]; }
await "$patience" fresh
check "with a control plane again, it is not stale any more" fresh
stop control
stop payments-1

echo "# too old"
old() { (($(now_ms) - since > 2100)); }
await "$patience" old
restored
restart --max-stale 1
refused "older than --max-stale"
check "the log names age and limit" says "more than max_stale 1 s: not served"
stop payments-1

echo "# another key: what was revoked cannot be read, so it must not start and forget it"
new_state_key "$run/other.key"
restored
check "it does not start" eval '! timeout 10 tollgate-proxy --node payments-1 --service payments \
  --control "unix:$run/control.sock" --state-dir "$state" --state-key-file "$run/other.key" \
  --access-log none >"$run/other.out" 2>&1'
check "it says why: $(tail -n 1 "$run/other.out")" grep -q "sealed with another" "$run/other.out"
check "and names the file" grep -q "$state/" "$run/other.out"

echo "# damaged"
restored
printf 'X' | dd of="$state/policy.lkg" bs=1 seek=100 conv=notrunc status=none
restart
refused "one byte changed"
check "the log says so" says "damaged (wrong checksum)"
check "and names the file" says "$state/policy.lkg"
start_control
await 60 ready payments-1
check "a control plane mends it" served
check "200" test "$status" = 200
stop control
stop payments-1
restored
truncate -s 100 "$state/policy.lkg"
restart
refused "cut short"
stop payments-1
restored
restart
await "$patience" ready payments-1
served
check "the good copy is still served" test "$status" = 200
finish
