#!/bin/bash
# tollgatectl against tollgate-control, as an operator uses them. Usage: cli_test.sh BIN
BIN=$1
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/control.bash"
POLICY="$HERE/../../deploy/examples/first-policy.yaml"

# expect STATUS TEXT COMMAND...: the exit status, and a text in what it prints.
expect() {
  local status=$1 text=$2
  shift 2
  OUTPUT=$("$@" 2>&1)
  local got=$?
  [[ $got == "$status" ]] || fail "'$*' ended with $got, not $status: $OUTPUT"
  [[ $OUTPUT == *"$text"* ]] || fail "'$*' did not print '$text': $OUTPUT"
}

echo "== without a control plane"
expect 5 "cannot reach the control plane at $TOLLGATE_ADMIN" ctl releases
expect 5 "TOLLGATE_ADMIN" ctl apply -f "$POLICY"
expect 0 "valid" ctl validate --offline -f "$POLICY"
expect 2 'Did you mean apply?' ctl aply
expect 2 "Usage" ctl
expect 1 "plaintext" ctl --server 192.0.2.1:80 releases

start_control
echo "== apply"
expect 0 "Api/hello created" ctl apply -f "$POLICY" -m first
[[ $OUTPUT == *"release 1 published"* ]] || fail "no release 1: $OUTPUT"
expect 0 "unchanged: release 1 has it all" ctl apply -f "$POLICY"
expect 0 "no difference to release 1" ctl diff -f "$POLICY"
expect 0 "3/second;5/minute per consumer" ctl get plans
sed 's#5/minute#6/minute#' "$POLICY" >"$WORK/six.yaml"
expect 0 "nothing was published" ctl apply --dry-run -f "$WORK/six.yaml"
expect 0 "limit: 3/second;5/minute -> 3/second;6/minute" ctl apply -f "$WORK/six.yaml"
expect 0 '"limit": "3/second;6/minute"' ctl get Plan gentle -o json
expect 0 '5/minute' ctl get Plan gentle --release 1 -o yaml

echo "== problems: all of them, with their lines"
sed 's#GET /health#GTE /health#; s#plan: gentle#plan: gentel#' "$POLICY" >"$WORK/bad.yaml"
expect 3 'bad.yaml:15: Consumer/alice: plan: "gentel"' ctl apply -f "$WORK/bad.yaml"
[[ $OUTPUT == *'bad.yaml:27: Api/hello: versions[0].routes[0].match: "GTE /health"'* ]] ||
  fail "the second problem is missing: $OUTPUT"
[[ $OUTPUT == *"2 problems; nothing was changed"* ]] || fail "no count: $OUTPUT"
online=$(ctl validate -f "$WORK/bad.yaml" 2>&1)
[[ $(ctl validate --offline -f "$WORK/bad.yaml" 2>&1) == "$online" ]] || fail "offline differs"
expect 0 '"release": 2' ctl releases -o json
expect 3 "Plan/gentle is still in use" ctl delete plan gentle
expect 1 "nothing.yaml" ctl apply -f "$WORK/nothing.yaml"

echo "== somebody else was faster"
expect 4 "based on release 1" ctl apply -f "$POLICY" --base 1

echo "== keys"
KEY=$(ctl key issue alice laptop --expires 90d 2>/dev/null) || fail "no key"
[[ $KEY =~ ^tg_[a-z0-9]+\.[a-z0-9]+$ ]] || fail "not a key: $KEY"
expect 1 "does not list an API key" ctl key issue alice other
expect 1 "there is no Consumer/bob" ctl key issue bob laptop
expect 0 "live" ctl key list
[[ $OUTPUT == *"${KEY#*.}"* ]] && fail "the secret is shown again"
expect 0 "no rollback brings it back" ctl key revoke alice laptop
expect 0 "release 3 published" ctl rollback --wait=5s
expect 0 "5/minute" ctl get plan gentle
expect 0 "revoked" ctl key list alice
[[ $OUTPUT == *live* ]] && fail "a rollback revived a key: $OUTPUT"

echo "== limits"
expect 0 "no connected sidecar of environment default has reported its limits yet" ctl limits
expect 0 "and service hello" ctl limits --service hello
expect 0 '"rows": []' ctl limits -o json
expect 2 "expected a number from 1 to 1000" ctl limits --top 0

echo "== denied tokens"
expect 2 "what is denied?" ctl deny add --issuer login
expect 2 "not several" ctl deny add --issuer login --subject a --client b
expect 2 "--issuer" ctl deny add --subject a
expect 2 "no duration" ctl deny add --issuer login --subject a --for soon
expect 2 "ID" ctl deny remove
expect 1 "there is no Issuer/login" ctl deny add --issuer login --subject mallory
expect 1 "tollgatectl deny list shows them" ctl deny remove dn-1
expect 0 "no tokens are denied" ctl deny list
expect 0 '"denials": []' ctl deny list -o json

echo "== stop and start: nothing is lost"
stop_control TERM || fail "not a clean end: $?"
start_control
expect 0 "3 (head)" ctl releases
expect 0 "revoked" ctl key list alice
expect 0 "release 4 published" ctl rollback 2
other=$("$BIN/tollgate-control" --data-dir "$WORK/data" --admin "unix:$WORK/b.sock" \
  --listen "unix:$WORK/c.sock" 2>&1) && fail "two on one store"
[[ $other == *"locked by process $CONTROL_PID"* ]] || fail "which process? $other"
other=$("$BIN/tollgate-control" --data-dir "$WORK/other" --admin "$TOLLGATE_ADMIN" \
  --listen "unix:$WORK/c.sock" 2>&1) && fail "two on one address"
[[ $other == *"another process listens there"* ]] || fail "why? $other"
[[ $(stat -c %a "$WORK/admin.sock") == 660 ]] || fail "mode of the admin socket"
grep -q 'audit user=.* call=RevokeKey environment="default" what="alice/laptop"' \
  "$WORK/control.log" || fail "no audit line"
grep -qF "${KEY#*.}" "$WORK/control.log" && fail "a secret is in the log"
expect 0 "schema 1" ctl version

echo "== demo credentials and offline translation"
expect 0 "wrote" ctl keygen --alg ES256 --kid demo --private "$WORK/k.jwk" --public "$WORK/k.json"
[[ $(stat -c %a "$WORK/k.jwk") == 600 ]] || fail "mode of the private key"
grep -q '"d"' "$WORK/k.json" && fail "a private member is public"
expect 1 "exists already" ctl keygen --alg ES256 --kid x --private "$WORK/k.jwk" --public "$WORK/l"
TOKEN=$(ctl token --key-file "$WORK/k.jwk" --iss me --aud you --sub shop --profile rfc9068) ||
  fail "no token"
[[ $TOKEN =~ ^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$ ]] || fail "no token: $TOKEN"
expect 0 '"inbound/hello"' ctl translate -f "$POLICY" --service hello --instance hello-1
expect 1 "hallo" ctl translate -f "$POLICY" --service hallo --instance x
echo "ok"
