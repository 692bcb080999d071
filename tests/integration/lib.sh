# Functions of the integration tests: real processes, loopback, free ports, one directory each.
# A test sources this file, launches programs, and calls `check`; it ends with `finish`. Nothing
# sleeps in order to wait: `await` polls for the event itself, up to a deadline. Every process is
# ended by its id. TOLLGATE_BIN names the directory of the programs.
# shellcheck shell=bash
set -uo pipefail
export LC_ALL=C
: "${TOLLGATE_BIN:?set it to the directory of tollgate-proxy, e.g. build/bin}"
export PATH=$TOLLGATE_BIN:$PATH
run=$(mktemp -d "${TMPDIR:-/tmp}/tollgate-it.XXXXXX")
export TOLLGATE_ADMIN=unix:$run/admin.sock
patience=${TOLLGATE_PATIENCE:-20}  # seconds: the deadline of whatever should take milliseconds
declare -A pid=() admin=()
failures=0
code=0

# --- Programs.

launch() {  # launch NAME COMMAND...: in the background; output to $run/NAME.log
  local name=$1
  shift
  "$@" >>"$run/$name.log" 2>&1 &
  pid[$name]=$!
}
running() { kill -0 "${pid[$1]}" 2>/dev/null; }
stop() {  # stop NAME [SIGNAL]: and wait; its exit code is in $code
  local name=$1
  kill -"${2:-TERM}" "${pid[$name]}" 2>/dev/null
  reap "$name"
}
reap() {  # reap NAME: wait until it has ended; its exit code is in $code
  local name=$1 end=$((SECONDS + patience + 40))
  while running "$name"; do
    if ((SECONDS >= end)); then
      echo "$name did not end" >&2
      kill -KILL "${pid[$name]}"
      failures=$((failures + 1))
      break
    fi
    pause
  done
  wait "${pid[$name]}" 2>/dev/null
  code=$?
  unset "pid[$name]"
}
stop_all() {
  local name
  for name in "${!pid[@]}"; do kill "${pid[$name]}" 2>/dev/null; done
  for name in "${!pid[@]}"; do reap "$name"; done
}
cleanup() {
  local status=$?
  trap - EXIT
  stop_all
  if ((status != 0)) && [[ -z ${TOLLGATE_QUIET:-} ]]; then
    local log
    for log in "$run"/*.log; do
      [[ -s $log && $log != *access* ]] || continue
      echo "--- sanitizer reports and last lines of ${log##*/}"
      sed -n '/WARNING: ThreadSanitizer/,/^SUMMARY/p; /ERROR: .*Sanitizer/,/^SUMMARY/p' "$log" |
        head -n 100
      tail -n 8 "$log"
    done
  fi >&2
  if [[ -n ${TOLLGATE_KEEP:-} ]]; then echo "kept: $run" >&2; else rm -rf "$run"; fi
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- Time.

exec {never}<> <(:)  # nothing is ever readable here: the pause between two polls, without a process
pause() { read -rt 0.01 -u "$never" _ || true; }
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
await() {  # await SECONDS COMMAND...: until it succeeds; ends the test at the deadline
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "FAILED: gave up waiting for: $*" >&2
      exit 1
    fi
    pause
  done
}

# --- What must hold.

check() {  # check DESCRIPTION COMMAND...
  local what=$1
  shift
  if "$@"; then
    echo "ok      $what"
  else
    echo "FAILED  $what: $*"
    failures=$((failures + 1))
  fi
}
contains() { [[ $1 == *"$2"* ]]; }
finish() { exit $((failures > 0)); }

# --- Ports: a block of 20 for each test, locked until its last process has ended. Below the range
# that the kernel hands out itself.

port_locks=${TMPDIR:-/tmp}/tollgate-it-ports.$UID
mkdir -p "$port_locks"
next_port=0
last_port=0
free_port() {  # the port is in $port
  while true; do
    if ((next_port >= last_port)); then
      next_port=$((20000 + RANDOM % 600 * 20))
      last_port=$((next_port + 20))
      exec {lock}>"$port_locks/$next_port"
      if ! flock -n "$lock"; then
        exec {lock}>&-
        last_port=$next_port
        continue
      fi
    fi
    port=$((next_port++))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
  done
}

# --- Tollgate.

start_control() {
  launch control tollgate-control --data-dir "$run/control" --listen "unix:$run/control.sock" \
    --admin "unix:$run/admin.sock" "$@"
  await "$patience" tollgatectl version
}
start_sidecar() {  # start_sidecar NODE SERVICE FLAGS...: with $workers workers (1); its admin endpoint is ${admin[NODE]}
  local node=$1 service=$2
  shift 2
  if [[ -z ${admin[$node]:-} ]]; then
    free_port
    admin[$node]=127.0.0.1:$port
  fi
  launch "$node" tollgate-proxy --node "$node" --service "$service" \
    --control "unix:$run/control.sock" --admin "${admin[$node]}" \
    --state-dir "$run/state-$node" --state-key-file "$run/state.key" \
    --access-log "$run/$node.access.log" --workers "${workers:-1}" "$@"
}
live() { curl -sf -m 2 "http://${admin[$1]}/live"; }
ready() { curl -sf -m 2 "http://${admin[$1]}/ready"; }
stats() { curl -s -m 5 "http://${admin[$1]}/stats" | jq -r "$2"; }  # stats NODE FILTER
metric() { curl -s -m 5 "http://${admin[$1]}/metrics" | awk -v n="$2" '$1 == n { print $2 + 0 }'; }
connected() { [[ $(stats "$1" .control.connected) == true ]]; }
serves() { [[ $(stats "$1" .release) == "$2" ]]; }  # serves NODE RELEASE
apply() { tollgatectl apply -f "$run/policy" "$@"; }

make_keys() {  # a signer for tokens, and the key that seals the sidecars' state
  mkdir -p "$run/policy"
  tollgatectl keygen --alg ES256 --kid it-1 --private "$run/login.jwk" \
    --public "$run/policy/login.jwks.json" >/dev/null
  new_state_key "$run/state.key"
}
new_state_key() {
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$1"
  chmod 600 "$1"
}
token() {  # token CONSUMER SCOPES
  tollgatectl token --key-file "$run/login.jwk" --alg ES256 --kid it-1 \
    --iss https://login.it.example/ --aud payments --sub "$1" --scope "$2" --ttl 1h
}
start_payments() {  # start_payments NAME PORT FLAGS...: an instance of the recording service
  local name=$1 at=$2
  shift 2
  launch "$name" demo-payments --listen "127.0.0.1:$at" --name "$name" "$@"
  await "$patience" curl -sf "http://127.0.0.1:$at/_demo/stats"
}
load_command=()
set_load() {  # set_load PORT FLAGS...: GETs, unless the flags say otherwise
  local at=$1
  shift
  load_command=(demo-load --to "127.0.0.1:$at" --host pay.it.example "$@")
  [[ " $* " == *" --path "* ]] || load_command+=(--path /v1/payments/7)
}
load() {  # load PORT FLAGS...: prints its report
  set_load "$@"
  "${load_command[@]}"
}
launch_load() {  # launch_load NAME PORT FLAGS...: until `stop`, unless the flags say otherwise
  local name=$1
  shift
  set_load "$@" --seconds 3600
  launch "$name" "${load_command[@]}"
}
report() { tail -n 1 "$run/$1.log" | jq -r "$2"; }  # report NAME FILTER: of a load that has ended
http() {  # http PORT METHOD PATH CURL_FLAGS...: head and body in $out, the status in $status
  local at=$1 method=$2 path=$3
  shift 3
  out=$(curl -sS -i -m 10 -X "$method" -H "Host: pay.it.example" "$@" \
    "http://127.0.0.1:$at$path" 2>&1)
  status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$out")
}

# The policy most tests start from: one Api of `payments` with a GET and a POST route, one consumer
# `shop` with tokens and a key. The variables say what differs.
stamp=1
limit=100000/second
algorithm=gcra
plenty=1000000/second
endpoints=()  # "{address: ..., instance: ..., local: ...}" each
service_more=  # more lines of the Service
get_retry='{max_retries: 2, when: [connection-lost, status-503]}'
post_more=  # more lines of the POST route
write_policy() {
  local joined
  joined=$(IFS=,; echo "${endpoints[*]}")
  cat >"$run/policy/policy.yaml" <<YAML
kind: Service
name: payments
endpoints: [$joined]
response_headers: {x-upstream-stamp: "$stamp"}
$service_more
---
kind: Service
name: checkout
uses: [payments]
outbound: 127.0.0.1:${outbound:-1}
---
kind: Issuer
name: login
issuer: https://login.it.example/
audiences: [payments]
algorithms: [ES256]
keys: {file: login.jwks.json}
profile: jwt
consumer_claim: sub
permissions_claim: scope
---
kind: Plan
name: plan
limit: $limit
algorithm: $algorithm
per: consumer
response_headers: {x-plan-stamp: "$stamp"}
---
kind: Plan
name: plenty
limit: $plenty
algorithm: gcra
per: consumer
response_headers: {x-plan-stamp: "$stamp"}
---
kind: Consumer
name: shop
plan: plan
grants: [payments.read, payments.write]
tokens: [{issuer: login, value: shop}]
---
kind: Consumer
name: load
plan: plenty
grants: [payments.read, payments.write]
tokens: [{issuer: login, value: load}]
api_keys: [till]
---
kind: Api
name: payments
hosts: [pay.it.example]
service: payments
authenticate: [{jwt: login}, {api_key: {header: X-Api-Key}}]
version_from: {path: "/{version}/"}
versions:
  - name: v1
    state: active
    routes:
      - name: create
        match: POST /payments
        require: [payments.write]
        timeout: 5s
        response_headers: {x-route-stamp: "$stamp"}
        $post_more
      - name: get
        match: GET /payments/{id}
        require: [payments.read]
        timeout: 5s
        retry: $get_retry
        response_headers: {x-route-stamp: "$stamp"}
YAML
}
