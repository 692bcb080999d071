#!/usr/bin/env bash
# push_under_load.sh [N]: N releases while requests arrive all the time. Each release changes a
# route, a plan and an upstream and stamps its number in all three. At least 90 % are adopted, by
# the sidecar's own counter; the stamps of every response agree; no request fails.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
releases=${1:-60}

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
stamped() {  # the documents of release $1
  stamp=$1
  plenty=$((1000000 + $1))/second
  service_more="connect_timeout: $((1000 + $1))ms"
  write_policy
}
start_control
start_payments payments "$service_port"
start_sidecar payments-1 payments
stamped 0
apply >/dev/null
await "$patience" ready payments-1
await "$patience" serves payments-1 1

bearer=$(token load "payments.read payments.write")
before=$(stats payments-1 .adopted)
launch_load load "$inbound" -H "authorization: Bearer $bearer" --connections 4 \
  --same x-route-stamp,x-plan-stamp,x-upstream-stamp --count-field x-route-stamp
published=0
started=$(now_ms)
# Paced: releases closer together than the push's window of 20 ms are one cut, by design.
for ((n = 1; n <= releases; n++)); do
  sleep 0.025
  stamped "$n"
  if apply >>"$run/apply.log" 2>&1; then published=$((published + 1)); fi
done
took=$(($(now_ms) - started))
await "$patience" serves payments-1 $((releases + 1))
adopted=$(($(stats payments-1 .adopted) - before))
stop load
field() { report load "$1"; }
echo "$published releases in $took ms, $adopted adopted; $(field .requests) requests" \
  "($(field .per_second) a second), $(field .failed) failed, $(field .torn) torn," \
  "$(field '.counted | length') stamps seen; p50 $(field .p50_us) us, p99 $(field .p99_us) us," \
  "max $(field .max_us) us"
check "every release was published" test "$published" = "$releases"
check "at least 90 % were adopted" test $((adopted * 10)) -ge $((releases * 9))
check "the stamps of every response agree" test "$(field .torn)" = 0
check "no request failed: $(field .reasons)" test "$(field .failed)" = 0
check "responses under many releases were seen" test "$(field '.counted | length')" -ge $((releases / 3))
check "the sidecar refused nothing" test "$(stats payments-1 .control.refused)" = 0
finish
