#!/bin/bash
# Kills tollgate-control (SIGKILL) at a random moment while releases are published, ROUNDS times.
# Every release that was acknowledged must be there afterwards, and whole: each stamps its number
# in a plan and in a service. Says how many kills fell between a request and its answer.
# Usage: kill_control.sh BIN [ROUNDS [ROUTES]]
BIN=$1
ROUNDS=${2:-10}
ROUTES=${3:-20000}  # of the policy
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/control.bash"
: >"$WORK/acknowledged"
STAMP=1

# Each publish changes little of a policy of some size: answering it then takes longer than starting
# tollgatectl does, and many of the kills fall in between.
write_policy() {
  {
    printf 'kind: Plan\nname: stamp\nlimit: %d/second\nalgorithm: gcra\nper: consumer\n---\n' "$1"
    printf 'kind: Service\nname: stamp\nlocal: 127.0.0.1:9000\nendpoints: [127.0.0.1:8080]\n'
    printf 'response_headers: {x-stamp: "%d"}\n' "$1"
  } >"$WORK/policy.yaml"
}
{
  printf 'kind: Api\nname: stamp\nhosts: ["*"]\nservice: stamp\nversions:\n  - name: v1\n    routes:\n'
  for i in $(seq $ROUTES); do
    printf '      - {name: r%d, match: GET /r%d, public: true}\n' "$i" "$i"
  done
} >"$WORK/api.yaml"

# Publishes until the control plane dies. Each acknowledged release and its stamp is recorded, and
# told on descriptor 9.
publish() {
  local head=$1 output status
  while true; do
    STAMP=$((STAMP + 1))
    echo "$STAMP" >"$WORK/stamp"
    write_policy "$STAMP"
    output=$(ctl apply -f "$WORK/policy.yaml" --base "$head" 2>&1)
    status=$?
    if [[ $status != 0 ]]; then
      echo "$status $output" >"$WORK/last"
      echo ended >&9
      return
    fi
    head=$(sed -n 's/^release \([0-9]*\) published$/\1/p' <<<"$output")
    [[ -n $head ]] || fail "an answer without a release: $output"
    echo "$head $STAMP" >>"$WORK/acknowledged"
    echo "$head" >&9
  done
}

# $1: a release; gives its stamp. Fails when its parts do not agree.
stamp_of() {
  local plan service
  plan=$(ctl get Plan stamp --release "$1" -o yaml) || return 1
  service=$(ctl get Service stamp --release "$1" -o yaml) || return 1
  plan=$(sed -n 's/^limit: \([0-9]*\)\/second$/\1/p' <<<"$plan")
  service=$(sed -n 's/^ *x-stamp: "*\([0-9]*\)"*$/\1/p' <<<"$service")
  [[ -n $plan && $plan == "$service" ]] || fail "release $1 is half there: $plan, $service"
  [[ $(ctl get Api stamp --release "$1" -o yaml | grep -c 'match:') == "$ROUTES" ]] ||
    fail "release $1 has lost routes"
  echo "$plan"
}

head_release() {
  ctl releases -n 1 -o yaml | sed -n 's/^- release: \([0-9]*\)$/\1/p'
}

# Returns once one more release is acknowledged in this round.
await_acknowledged() {
  local told
  read -r -t 120 -u 9 told || fail "round $round: no answer"
  [[ $told != ended ]] || fail "round $round: a publish ended with $(cat "$WORK/last")"
}

now_us() { echo "${EPOCHREALTIME/./}"; }

start_control
write_policy 1
ctl --timeout=60s apply -f "$WORK/policy.yaml" -f "$WORK/api.yaml" >/dev/null || fail "the first publish failed"
stop_control TERM || fail "not a clean end"
between=0
unpublished=0
for round in $(seq "$ROUNDS"); do
  start_control
  begin=$(head_release)
  begin=${begin:-0}
  rm -f "$WORK/told" "$WORK/last"
  mkfifo "$WORK/told"
  exec 9<>"$WORK/told"
  publish "$begin" &
  publisher=$!
  # Once a second release is acknowledged: within about the time that it took after the first, on a
  # slow machine too, and later rather than sooner, for tollgatectl has to start before it asks.
  await_acknowledged
  started=$(now_us)
  await_acknowledged
  took=$(($(now_us) - started))
  delay=$((took / 4 + (RANDOM * 32768 + RANDOM) % took))
  sleep "$((delay / 1000000)).$(printf %06d $((delay % 1000000)))"
  stop_control KILL
  wait "$publisher" || fail "round $round: the publisher failed"
  STAMP=$(cat "$WORK/stamp")
  read -r status last <"$WORK/last"
  [[ $status == 5 ]] || fail "round $round: a publish ended with $status: $last"
  # The request was sent and no answer came; else the connection was never made.
  answered=1
  if ! grep -q "cannot reach" "$WORK/last"; then
    between=$((between + 1))
    answered=0
  fi

  start_control # checks the store as it opens
  head=$(head_release)
  known=$begin # the newest release that must be there
  if read -r release stamp < <(tail -n 1 "$WORK/acknowledged"); then
    ((release > known)) && known=$release
    [[ $(stamp_of "$release") == "$stamp" ]] || fail "release $release is not what was published"
  fi
  case $((${head:-0} - known)) in
    0) ((answered)) || unpublished=$((unpublished + 1)) ;;
    1) # Published, but its answer was lost: whole all the same.
      ((answered)) && fail "release $head came from nowhere"
      [[ $(stamp_of "$head") == "$STAMP" ]] || fail "release $head is not what was published"
      ;;
    *) fail "the head is $head; expected $known or the one after it" ;;
  esac
  stop_control TERM || fail "not a clean end"
done

start_control
while read -r release stamp; do
  [[ $(stamp_of "$release") == "$stamp" ]] || fail "release $release is not what was published"
done < <(tail -50 "$WORK/acknowledged")
echo "$ROUNDS kills: $between between request and answer ($unpublished of these unpublished)," \
  "$(wc -l <"$WORK/acknowledged") releases acknowledged, none lost, none half there"
