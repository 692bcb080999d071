#!/usr/bin/env bash
# Faults on purpose: refused by a control plane and by a sidecar that were not started to allow them
# (the last good release goes on, after a restart too), and visible where they are allowed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

new_state_key "$run/state.key"
mkdir -p "$run/policy"
free_port; service_port=$port
free_port; inbound=$port
start_payments payments "$service_port"
write_faults() {  # write_faults FAULTS: of the only route; "": none
  cat >"$run/policy/policy.yaml" <<YAML
kind: Service
name: payments
local: 127.0.0.1:$service_port
endpoints: [{address: 127.0.0.1:$inbound, instance: payments-1}]
---
kind: Api
name: payments
hosts: [pay.it.example]
service: payments
versions:
  - name: v1
    routes:
      - name: read
        match: GET /v1/payments/{id}
        public: true
        timeout: 2s
${1:+        faults: $1}
YAML
}
ask() { http "$inbound" GET /v1/payments/7 "$@"; }

start_control
start_sidecar payments-1 payments
await "$patience" connected payments-1
write_faults ""
told=$(apply --wait 2>&1)
code=$?
check "a release without faults ($told)" test "$code" = 0

write_faults '{abort: {status: 503, percent: 100, header: {name: X-Rehearsal, value: tuesday}}}'
told=$(apply 2>&1)
code=$?
check "the control plane refuses faults" test "$code" = 3
check "with the field" contains "$told" 'versions[0].routes[0].faults'
check "the environment" contains "$told" "environment 'default' does not allow"
check "and the remedy" contains "$told" "--allow-faults default"

stop control
start_control --allow-faults default --allow-faults other
await "$patience" connected payments-1
told=$(apply --wait 2>&1)
code=$?
check "where it allows them, the sidecar refuses" test "$code" = 6
check "with the code" contains "$told" FAULTS_NOT_ALLOWED
check "and the remedy" contains "$told" "--allow-faults"
check "the last good release goes on" serves payments-1 1
ask -H "X-Rehearsal: tuesday"
check "without faults" test "$status" != 503

stop payments-1
start_sidecar payments-1 payments --allow-faults
await "$patience" serves payments-1 2
ask
check "a request without the header is served" contains "$out" "via: 1.1 tollgate"
check "by the service" test "$status" != 503
ask -H "X-Rehearsal: tuesday"
check "one with it is refused here" test "$status" = 503
check "and told so" contains "$out" '"code":"fault_abort"'
check "the log names the fault" eval \
  'await "$patience" grep -q "\"fault\":\"abort\"" "$run/payments-1.access.log"'
check "metrics count it" test \
  "$(metric payments-1 'tollgate_faults_injected_total{api="payments",version="v1",route="read",fault="abort"}')" = 1
check "explain says what may happen" contains \
  "$(tollgatectl explain payments-1 GET http://pay.it.example/v1/payments/7)" \
  "on purpose answers 100 % of requests with x-rehearsal: tuesday with 503"

# What is on disk has faults; whoever is not started to allow them does not serve it.
stop payments-1
stop control
start_sidecar payments-1 payments
await "$patience" live payments-1
check "faults that were kept are not served" eval '! ready payments-1 >/dev/null'
check "and the log says why" grep -q "injects faults" "$run/payments-1.log"

start_control --allow-faults default
write_faults '{delay: {duration: 300ms, percent: "100"}}'
stop payments-1
start_sidecar payments-1 payments --allow-faults
await "$patience" connected payments-1
told=$(apply --wait 2>&1)
code=$?
check "a delay is adopted ($told)" test "$code" = 0
before=$(now_ms)
ask
took=$(($(now_ms) - before))
check "a delayed request takes $took ms" test "$took" -ge 300
check "and is served" contains "$out" "via: 1.1 tollgate"
check "rollback to a release with faults" eval 'tollgatectl rollback 2 >/dev/null'
stop control
start_control
check "is refused where they are not allowed" eval '! tollgatectl rollback 3 >"$run/rollback.txt" 2>&1'
check "for that reason" grep -q "does not allow" "$run/rollback.txt"
finish
