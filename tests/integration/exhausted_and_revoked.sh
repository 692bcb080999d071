#!/usr/bin/env bash
# Exhausted stays exhausted, through push, changed rate and rollback. Revoked and denied stay so, through
# publish, rollback, a restart of the control plane, and a restart of the sidecar without one.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_keys
free_port; service_port=$port
free_port; inbound=$port
endpoints=("{address: 127.0.0.1:$inbound, instance: payments-1, local: 127.0.0.1:$service_port}")
algorithm=sliding-window
start_control
start_payments payments "$service_port"
start_sidecar payments-1 payments
shop=$(token shop "payments.read payments.write")
loader=$(token load payments.read)
answer() {  # answer EXPECTED CURL_FLAGS...
  local expected=$1
  shift
  http "$inbound" GET /v1/payments/7 "$@"
  [[ $status == "$expected" ]]
}
as_shop() { answer "$1" -H "Authorization: Bearer $shop"; }
release=0
publish() {  # publish STAMP LIMIT: and wait until it is served
  stamp=$1
  limit=$2
  write_policy
  apply >>"$run/apply.log" 2>&1 || return 1
  release=$((release + 1))
  await "$patience" serves payments-1 "$release"
}
back_to() {  # back_to RELEASE
  tollgatectl rollback "$1" >>"$run/apply.log" 2>&1 || return 1
  release=$((release + 1))
  await "$patience" serves payments-1 "$release"
}

echo "# limits"
publish 1 3/hour
for n in 1 2 3; do check "request $n of 3 in the hour" as_shop 200; done
check "the fourth is refused" as_shop 429
check "with Retry-After" grep -qiE '^retry-after: [0-9]+' <<<"$out"
publish 2 3/hour
check "a push does not refill" as_shop 429
publish 3 2/hour
check "nor does a lower rate" as_shop 429
back_to 1
check "nor does a rollback" as_shop 429
publish 4 5/hour
check "a higher rate leaves what it adds: the first" as_shop 200
check "the second" as_shop 200
check "no third" as_shop 429
check "which the new release says" contains "$out" "x-plan-stamp: 4"
check "another consumer is not concerned" answer 200 -H "Authorization: Bearer $loader"

echo "# keys"
issue() { tollgatectl key issue load till -o json >"$run/key.json"; key=$(jq -r .key "$run/key.json"); }
issue
revoked=$key
revoked_id=$(jq -r .id "$run/key.json")
await "$patience" answer 200 -H "X-Api-Key: $revoked"
check "a key opens" answer 200 -H "X-Api-Key: $revoked"
issue
kept=$key
await "$patience" answer 200 -H "X-Api-Key: $kept"
before=$(now_ms)
tollgatectl key revoke --id "$revoked_id" >>"$run/apply.log"
answered=$(now_ms)
await "$patience" answer 401 -H "X-Api-Key: $revoked"
enforced=$(now_ms)
echo "revoked: answered to the operator after $((answered - before)) ms, enforced at most" \
  "$((enforced - before)) ms after the command was started"
check "within a second" test $((enforced - before)) -lt "${TOLLGATE_REVOKE_MS:-1000}"
check "the other key of that consumer still opens" answer 200 -H "X-Api-Key: $kept"
publish 5 5/hour
check "after a publish: still refused" answer 401 -H "X-Api-Key: $revoked"
back_to 1
check "after a rollback to before it was issued: still refused" answer 401 -H "X-Api-Key: $revoked"
check "and the live one still opens" answer 200 -H "X-Api-Key: $kept"


echo "# tokens"
mallory=$(tollgatectl token --key-file "$run/login.jwk" --alg ES256 --kid it-1 \
  --iss https://login.it.example/ --aud payments --sub load --claim client_id=stolen-phone \
  --scope payments.read --ttl 1h)
as_mallory() { answer "$1" -H "Authorization: Bearer $mallory"; }
denials() { tollgatectl deny list -o json | jq -r "$1"; }
check "a token opens" as_mallory 200
before=$(now_ms)
tollgatectl deny add --issuer login --client stolen-phone --reason "a stolen phone" \
  >>"$run/apply.log"
await "$patience" as_mallory 401
enforced=$(now_ms)
echo "denied: enforced at most $((enforced - before)) ms after the command was started"
check "within a second" test $((enforced - before)) -lt "${TOLLGATE_REVOKE_MS:-1000}"
check "and says why" contains "$out" '"code":"token_revoked"'
check "the same consumer's other tokens still open" answer 200 -H "Authorization: Bearer $loader"
check "it is listed with its reason" test "$(denials '.denials[0].reason')" == "a stolen phone"
tollgatectl deny add --issuer login --subject load --for 1h >>"$run/apply.log"
await "$patience" answer 401 -H "Authorization: Bearer $loader"
check "a denied subject: all its tokens" answer 401 -H "Authorization: Bearer $loader"
check "its API key still opens" answer 200 -H "X-Api-Key: $kept"
publish 6 5/hour
check "after a publish: still refused" as_mallory 401
back_to 1
check "after a rollback to before it was denied: still refused" as_mallory 401
subject_id=$(denials '.denials[] | select(.claim == "sub") | .id')
tollgatectl deny remove "$subject_id" >>"$run/apply.log"
await "$patience" answer 200 -H "Authorization: Bearer $loader"
check "lifted: the subject's tokens open again" answer 200 -H "Authorization: Bearer $loader"
check "the other denial stays" as_mallory 401

stop control KILL
start_control
await "$patience" connected payments-1
check "after a restart of the control plane: still refused" answer 401 -H "X-Api-Key: $revoked"
check "and so is the denied token" as_mallory 401
check "exhausted all the while" as_shop 429

stop control KILL
stop payments-1 KILL
start_sidecar payments-1 payments
await "$patience" ready payments-1
check "a sidecar that restarts without control plane still refuses it" \
  answer 401 -H "X-Api-Key: $revoked"
check "and still takes the live one" answer 200 -H "X-Api-Key: $kept"
check "and refuses the denied token" as_mallory 401
check "and takes other tokens" answer 200 -H "Authorization: Bearer $loader"
check "the sealed state shows neither key" eval \
  '! grep -aqF -e "${kept#*.}" -e "${revoked#*.}" "$run"/state-payments-1/*.lkg'
finish
