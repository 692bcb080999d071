#!/usr/bin/env bash
# Tollgate in two minutes: installs what is missing, builds, starts both planes and a demo service,
# and shows each promise with real requests. Ends by itself; exit 0 only if every step held.
#   deploy/quickstart.sh            the whole demo
#   deploy/quickstart.sh --keep     and leave everything running
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
keep=
case "${1:-}" in
  --keep) keep=1 ;;
  "") ;;
  -h|--help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "usage: $0 [--keep]" >&2; exit 2 ;;
esac
started=$SECONDS

# --- Install and build.
"$root/deploy/scripts/install-deps.sh" run
build=$root/build
echo "building Release in ${build#"$root"/} (the first time takes some minutes)"
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
  >/dev/null
NINJA_STATUS="[%f/%t, %es] " ninja -C "$build" tollgate-proxy tollgate-control tollgatectl \
  demo-payments demo-load |
  awk '{ if (NR % 25 == 1) { print "  " $0; fflush() } }'
bin=$build/bin
echo "built after $((SECONDS - started)) s"

# --- A place for sockets, state and logs.
run=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-demo.XXXXXX")
export TOLLGATE_ADMIN=unix:$run/admin.sock
export PATH=$bin:$PATH
mkdir "$run/policy"
cp "$root"/deploy/demo/*.yaml "$run/policy/"
pids=()
names=()
held=0
failed=0

stop_all() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap 'status=$?; if [[ -z $keep || $status -ne 0 ]]; then stop_all; fi; exit $status' EXIT
trap 'exit 130' INT TERM

launch() {  # launch NAME COMMAND...: in the background, with a log of its own
  local name=$1
  shift
  "$@" >>"$run/$name.log" 2>&1 &
  pids+=($!)
  names+=("$name")
}
pid_of() {
  local i last=
  for i in "${!names[@]}"; do [[ ${names[$i]} == "$1" ]] && last=${pids[$i]}; done
  echo "$last"
}
kill_hard() {  # kill_hard NAME: without a chance to clean up
  local pid
  pid=$(pid_of "$1")
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || true
}
await() {  # await SECONDS COMMAND...: until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "gave up waiting for: $*" >&2
      tail -n 5 "$run"/*.log >&2 || true
      exit 1
    fi
    sleep 0.05
  done
}

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {  # show COMMAND...: prints the command and what came back; the output is in $out
  printf '  $ %s\n' "$(printf '%s ' "$@" | sed -e "s|$run|\$RUN|g" -E -e 's/(Bearer [A-Za-z0-9_-]{12})[^ "]*/\1.../' -e 's/(X-Api-Key: [A-Za-z0-9_]{6})[^ "]*/\1.../')"
  out=$("$@" 2>&1) || true
  printf '%s\n' "$out" | tr -d '\r' | grep -vE '^(date|via|x-request-id|content-length|server):' |
    sed -e 's/^/    /' -e '/^ *$/d' | head -n 24
}
check() {  # check DESCRIPTION CONDITION...
  local what=$1
  shift
  if "$@"; then
    printf '  \033[32mheld\033[0m   %s\n' "$what"
    held=$((held + 1))
  else
    printf '  \033[31mFAILED\033[0m %s\n' "$what"
    failed=$((failed + 1))
  fi
}
has() { grep -qiE -- "$1" <<<"$out"; }
has_not() { ! grep -qiE -- "$1" <<<"$out"; }
field() { jq -rc "$1" <<<"$out"; }
token() {
  tollgatectl token --key-file "$run/demo-login.jwk" --alg ES256 --kid demo-1 \
    --iss https://login.demo.example/ --aud card-payments --sub "$1" --scope "$2" --ttl 30m
}
pay=http://127.0.0.1:15001
request() {  # request METHOD PATH HEADER...: through checkout's outbound sidecar
  local method=$1 path=$2 args=() h
  shift 2
  for h in "$@"; do args+=(-H "$h"); done
  show curl -sS -i -m 10 -X "$method" -H "Host: pay.example.com" "${args[@]}" "$pay$path"
}
status_is() { grep -qE "^HTTP/1.1 $1 " <<<"$out"; }
load() {
  demo-load --to 127.0.0.1:15001 --host pay.example.com --path /v2/payments/7 \
    -H "authorization: Bearer $loadtest" "$@"
}

# --- Start.
step "Starting the control plane, two payments instances with inbound sidecars, and checkout's outbound sidecar"
tollgatectl keygen --alg ES256 --kid demo-1 --private "$run/demo-login.jwk" \
  --public "$run/policy/demo-login.jwks.json" >/dev/null
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$run/state.key"
chmod 600 "$run/state.key"
start_control() {
  launch control tollgate-control --data-dir "$run/control" --listen "unix:$run/control.sock" \
    --admin "unix:$run/admin.sock"
  await 10 tollgatectl version
}
start_sidecar() {  # NODE SERVICE ADMIN_PORT
  launch "$1" tollgate-proxy --node "$1" --service "$2" --control "unix:$run/control.sock" \
    --admin "127.0.0.1:$3" --state-dir "$run/state-$1" --state-key-file "$run/state.key" \
    --access-log "$run/$1.access.log" --workers 1
}
for port in 15001 18081 18082 18091 18092 18093 19081 19082; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port on loopback is taken by another program; the demo needs it free" >&2
    exit 1
  fi
done
start_control
launch service-1 demo-payments --listen 127.0.0.1:19081 --name payments-1 --delay-ms 2
launch service-2 demo-payments --listen 127.0.0.1:19082 --name payments-2 --delay-ms 2
start_sidecar payments-1 payments 18091
start_sidecar payments-2 payments 18092
start_sidecar checkout-1 checkout 18093
await 10 curl -sf http://127.0.0.1:18091/live
show curl -sS http://127.0.0.1:18091/ready
check "a sidecar that never had a policy is not ready" has "no policy"

step "Applying deploy/demo/*.yaml"
show tollgatectl apply -f "$run/policy" --wait --message "the demo"
check "published, and every sidecar serves it" has "release 1"
await 10 curl -sf http://127.0.0.1:18093/ready
show tollgatectl proxies

shop=$(token shop "payments.read payments.write")
auditor=$(token auditor "payments.read payments.write")
trial=$(token trial "payments.read")
loadtest=$(token loadtest "payments.read")

step "1. No token"
request GET /v2/payments/7
check "401, with a challenge" status_is 401

step "2. A valid token, balanced over both instances"
request GET /v2/payments/7 "Authorization: Bearer $shop"
check "200" status_is 200
out=$(load --requests 200 --count-field x-instance)
echo "    200 requests: $(field .counted)"
check "both instances answered" test "$(field '.counted | length')" = 2

step "3. A permission that the consumer lacks"
request POST /v2/payments "Authorization: Bearer $auditor" "Idempotency-Key: a1"
check "403: the token asks for payments.write, the consumer was never granted it" status_is 403
request POST /v2/payments "Authorization: Bearer $shop" "Idempotency-Key: a2"
check "201 for a consumer that has it" status_is 201

step "4. One request over the limit (3 a minute; straight to one sidecar, since each counts alone)"
pay=http://127.0.0.1:18081
for _ in 1 2 3; do request GET /v2/payments/7 "Authorization: Bearer $trial" >/dev/null; done
check "the third is still served" status_is 200
request GET /v2/payments/7 "Authorization: Bearer $trial"
check "429 with Retry-After" eval 'status_is 429 && has "^retry-after: [0-9]+"'
pay=http://127.0.0.1:15001

step "5. An API key: issued, used, revoked"
show tollgatectl key issue kiosk till -o json
key=$(field .key)
key_id=$(field .id)
works() { curl -s -o /dev/null -w '%{http_code}' -H "Host: pay.example.com" -H "X-Api-Key: $key" "$pay/v2/payments/7"; }
await 5 eval '[[ $(works) == 200 && $(works) == 200 ]]'
request GET /v2/payments/7 "X-Api-Key: $key"
check "200 with the key" status_is 200
before=$(date +%s%N)
show tollgatectl key revoke --id "$key_id"
refused=
for _ in $(seq 200); do
  if [[ $(works) == 401 && $(works) == 401 ]]; then refused=$(( ($(date +%s%N) - before) / 1000000 )); break; fi
  sleep 0.005
done
echo "    refused everywhere ${refused:-never} ms after the command was started"
check "401 within a second" test "${refused:-9999}" -lt 1000

step "6. Versions"
request GET /v1/payments/7 "Authorization: Bearer $shop"
check "v1 says Deprecation and Sunset" eval 'status_is 200 && has "^deprecation: @" && has "^sunset: "'
request GET /v2/payments/7 "Authorization: Bearer $shop"
check "v2 does not" eval 'status_is 200 && has_not "^(deprecation|sunset): "'

step "7. One instance ten times slower"
share() { out=$(load --seconds 1 --connections 8 --count-field x-instance); field '100 * (.counted["payments-2"] // 0) / .requests | floor'; }
a=$(share)
curl -s -X POST 'http://127.0.0.1:19082/_demo/delay?ms=20' >/dev/null
b=$(share)
curl -s -X POST 'http://127.0.0.1:19082/_demo/delay?ms=2' >/dev/null
for _ in {1..20}; do  # slow answers are forgotten with a time constant of ten seconds
  c=$(share)
  ((c * 2 < a)) || break
done
echo "    share of payments-2: before $a %, ten times slower $b %, recovered $c %"
check "it gets less while it is slow, and its share back afterwards" test $((b * 2)) -lt "$a" -a $((c * 2)) -ge "$a"

step "8. A policy change under load"
load --seconds 2 --connections 8 --count-field x-policy >"$run/load.json" &
load_pid=$!
sleep 1
sed -i 's/x-policy: "1"/x-policy: "2"/' "$run/policy/card-payments.yaml"
before=$(date +%s%N)
show tollgatectl apply -f "$run/policy" --wait
took=$(( ($(date +%s%N) - before) / 1000000 ))
wait "$load_pid" || true
out=$(<"$run/load.json")
echo "    in force in every sidecar $took ms after the command was started; requests by policy: $(field .counted), failed: $(field .failed)"
check "both policies answered, no request failed" test "$(field '.counted | length')" = 2 -a "$(field .failed)" = 0
check "enforced in milliseconds" test "$took" -lt 1000

step "9. The control plane is killed"
printf '  $ kill -9 %s\n' "$(pid_of control)"
kill_hard control
out=$(load --seconds 1 --connections 4)
echo "    $(field .requests) requests, $(field .failed) failed"
check "traffic goes on" test "$(field .failed)" = 0

step "10. A sidecar restarts without a control plane"
printf '  $ kill -9 %s\n' "$(pid_of payments-1)"
kill_hard payments-1
start_sidecar payments-1 payments 18091
await 10 curl -sf http://127.0.0.1:18091/ready
show curl -sS http://127.0.0.1:18091/stats
check "it serves its last good release, and says how old that is" has "last-known-good release [0-9]+, [0-9]+ s old"
pay=http://127.0.0.1:18081
request GET /v2/payments/7 "Authorization: Bearer $shop"
check "200" status_is 200
request GET /v2/payments/7 "X-Api-Key: $key"
check "the revoked key stays revoked" status_is 401
pay=http://127.0.0.1:15001

step "11. Rollback"
start_control
await 20 eval 'tollgatectl proxies -o json | jq -e "[.proxies[] | select(.connected)] | length == 3"'
show tollgatectl rollback --wait
check "the release before is published again" has "release [0-9]+"
request GET /v2/payments/7 "Authorization: Bearer $shop"
check "its policy is in force" has "^x-policy: 1"
request GET /v2/payments/7 "X-Api-Key: $key"
check "the revoked key is still revoked: credentials belong to no release" status_is 401
show tollgatectl releases

step "Summary: $held held, $failed failed, $((SECONDS - started)) s in all"
if ((failed > 0)); then
  echo "logs: $run"
  exit 1
fi
if [[ -n $keep ]]; then
  disown -a
  cat <<TEXT
Everything is running. Try:
  export TOLLGATE_ADMIN=unix:$run/admin.sock PATH=$bin:\$PATH
  tollgatectl proxies
  tollgatectl get api card-payments -o yaml
  TOKEN=\$(tollgatectl token --key-file $run/demo-login.jwk --alg ES256 --kid demo-1 --iss https://login.demo.example/ --aud card-payments --sub shop --scope "payments.read payments.write" --ttl 30m)
  curl -i -H "Host: pay.example.com" -H "Authorization: Bearer \$TOKEN" http://127.0.0.1:15001/v2/payments/7
  curl http://127.0.0.1:18091/metrics
Stop it with:
  kill ${pids[*]}
TEXT
else
  rm -rf "$run"
fi
