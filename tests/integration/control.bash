# Starts and stops a tollgate-control in a directory of its own. Source it after setting BIN.
# shellcheck shell=bash

WORK=$(mktemp -d)
CONTROL_PID=""
export TOLLGATE_ADMIN="unix:$WORK/admin.sock"

cleanup() {
  if [[ -n $CONTROL_PID ]]; then
    kill -9 "$CONTROL_PID" 2>/dev/null
    wait "$CONTROL_PID" 2>/dev/null
  fi
  rm -rf "$WORK"
}
trap cleanup EXIT

ctl() { "$BIN/tollgatectl" "$@"; }

# Returns once it serves; fails the test when it does not.
start_control() {
  local before
  before=$(grep -c ' ready: ' "$WORK/control.log" 2>/dev/null)
  "$BIN/tollgate-control" --data-dir "$WORK/data" --listen "unix:$WORK/control.sock" \
    --admin "$TOLLGATE_ADMIN" 2>>"$WORK/control.log" &
  CONTROL_PID=$!
  for _ in $(seq 1000); do
    [[ $(grep -c ' ready: ' "$WORK/control.log") -gt ${before:-0} ]] && return
    kill -0 "$CONTROL_PID" 2>/dev/null || break
    sleep 0.02
  done
  cat "$WORK/control.log"
  fail "tollgate-control does not serve"
}

# $1: the signal. Gives its exit status.
stop_control() {
  kill "-$1" "$CONTROL_PID"
  wait "$CONTROL_PID" 2>/dev/null
  local status=$?
  CONTROL_PID=""
  return $status
}

fail() {
  echo "FAILED: $*" >&2
  if [[ -s $WORK/control.log ]]; then
    echo "--- last lines of control.log"
    tail -n 60 "$WORK/control.log"
  fi >&2
  exit 1
}
