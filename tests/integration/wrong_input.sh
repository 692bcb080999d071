#!/usr/bin/env bash
# Each program with wrong flags, files and addresses: it ends with the documented exit code, and the
# message names the field or flag, the value, and what was expected.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ends() {  # ends CODE TEXT... -- COMMAND...: with this exit code, and all these texts in its output
  local expected=$1 texts=() text
  shift
  while [[ $1 != -- ]]; do texts+=("$1"); shift; done
  shift
  out=$(timeout 20 "$@" 2>&1 </dev/null)
  code=$?
  local ok=1
  ((code == expected)) || ok=
  for text in "${texts[@]}"; do contains "$out" "$text" || ok=; done
  if [[ $ok ]]; then
    echo "ok      $(sed "s|$run|\$run|g" <<<"${*:1:6}"): $(head -n 1 <<<"$out" | sed "s|$run|\$run|g")"
  else
    echo "FAILED  $*"
    echo "        exit code $code, expected $expected; output, expected to have: ${texts[*]}"
    sed 's/^/        /' <<<"$out"
    failures=$((failures + 1))
  fi
}
proxy=(tollgate-proxy --node n-1 --service payments --access-log none --control "unix:$run/c.sock")

echo "# tollgate-proxy"
ends 0 -- tollgate-proxy --help
ends 0 tollgate-proxy -- tollgate-proxy --version
ends 2 --no-such-flag -- tollgate-proxy --no-such-flag
ends 2 "control" "--policy" -- tollgate-proxy --node n-1 --service payments
ends 2 "node.id" "--node" -- tollgate-proxy --service payments --control "unix:$run/c.sock"
ends 2 "node.service" "--service" -- tollgate-proxy --node n-1 --control "unix:$run/c.sock"
ends 2 "control" "10.0.0.1:18000" loopback -- tollgate-proxy --node n --service s --control 10.0.0.1:18000
ends 2 "admin" "0.0.0.0:9" loopback -- "${proxy[@]}" --admin 0.0.0.0:9
ends 2 "admin" "127.0.0.1:99999" -- "${proxy[@]}" --admin 127.0.0.1:99999
ends 2 "log_level" "loud" "debug" -- "${proxy[@]}" --log-level loud
ends 2 "workers" "1000" "256" -- "${proxy[@]}" --workers 1000
ends 2 "--workers" "many" -- "${proxy[@]}" --workers many
ends 2 "state_key_file" "state_dir" -- "${proxy[@]}" --state-key-file "$run/none"
ends 2 "$run/absent.json" -- tollgate-proxy --bootstrap "$run/absent.json"
echo '{"node": {"id": "n", "servise": "s"}}' >"$run/typo.json"
ends 2 "servise" "Bootstrap" -- tollgate-proxy --bootstrap "$run/typo.json"
echo '{"node": {"id": "n", "service": "s", "zone": "eu 1a"}, "control": "unix:/c.sock"}' >"$run/zone.json"
ends 2 "node.zone" "eu 1a" -- tollgate-proxy --bootstrap "$run/zone.json"
echo '{"node": ' >"$run/half.json"
ends 2 "bootstrap" "JSON" -- tollgate-proxy --bootstrap "$run/half.json"
echo '{"epoch": {}, "extra": 1}' >"$run/policy.json"
ends 2 "extra" "$run/policy.json" -- tollgate-proxy --policy "$run/policy.json"
ends 2 "--policy" -- "${proxy[@]}" --policy "$run/policy.json" --check
ends 0 "valid" -- "${proxy[@]}" --check
echo "not a key" >"$run/short.key"
ends 1 "$run/short.key" "hex" -- "${proxy[@]}" --state-dir "$run/state" --state-key-file "$run/short.key"
ends 1 "$run/no.key" -- "${proxy[@]}" --state-dir "$run/state" --state-key-file "$run/no.key"
ends 1 "$run/missing/access.log" -- tollgate-proxy --node n --service s --control "unix:$run/c.sock" \
  --access-log "$run/missing/access.log"
free_port; taken=$port
start_payments payments "$taken"
ends 1 "127.0.0.1:$taken" "in use" -- "${proxy[@]}" --admin "127.0.0.1:$taken"
# What had started by then ends in order, however far each thread has come.
again=0
for _ in {1..20}; do
  timeout -s KILL 20 "${proxy[@]}" --admin "127.0.0.1:$taken" >/dev/null 2>&1
  (($? == 1)) && again=$((again + 1))
done
check "it ends so each time: $again of 20" test "$again" -eq 20

echo "# tollgate-control"
control=(tollgate-control --data-dir "$run/control" --listen "unix:$run/c.sock" --admin "unix:$run/a.sock")
ends 0 -- tollgate-control --help
ends 0 tollgate-control -- tollgate-control --version
ends 2 --no-such-flag -- tollgate-control --no-such-flag
ends 2 "--log-level" "loud" -- "${control[@]}" --log-level loud
ends 1 "--listen" "10.0.0.1:18000" loopback -- tollgate-control --data-dir "$run/control" --listen 10.0.0.1:18000 --admin "unix:$run/a.sock"
ends 1 "--admin" "0.0.0.0:18001" loopback -- tollgate-control --data-dir "$run/control" --listen "unix:$run/c.sock" --admin 0.0.0.0:18001
echo file >"$run/file"
ends 1 "--data-dir" "$run/file" -- tollgate-control --data-dir "$run/file/x" --listen "unix:$run/c.sock" --admin "unix:$run/a.sock"
ends 1 "127.0.0.1:$taken" -- tollgate-control --data-dir "$run/control2" --listen "127.0.0.1:$taken" --admin "unix:$run/a.sock"
mkdir -p "$run/damaged"
head -c 8192 /dev/urandom >"$run/damaged/store.db"
ends 1 "$run/damaged/store.db" "mode 644" "chmod 600" -- tollgate-control --data-dir "$run/damaged" --listen "unix:$run/c.sock" --admin "unix:$run/a.sock"
chmod 600 "$run/damaged/store.db"
ends 1 "$run/damaged/store.db" -- tollgate-control --data-dir "$run/damaged" --listen "unix:$run/c.sock" --admin "unix:$run/a.sock"
start_control
ends 1 "$run/control" -- tollgate-control --data-dir "$run/control" --listen "unix:$run/c2.sock" --admin "unix:$run/a2.sock"

echo "# tollgatectl"
ends 2 -- tollgatectl
ends 2 aply apply -- tollgatectl aply
ends 1 "$run/absent.yaml" -- tollgatectl apply -f "$run/absent.yaml"
ends 5 "$run/nobody.sock" -- tollgatectl -s "unix:$run/nobody.sock" proxies
ends 2 "sideways" -- tollgatectl -o sideways proxies
ends 2 "Consumr" "Consumer" -- tollgatectl get Consumr
printf 'kind: Plan\nname: p\nlimit: ten\nalgorithm: gcra\nper: consumer\n' >"$run/plan.yaml"
ends 3 "plan.yaml:3" "limit" "ten" -- tollgatectl apply -f "$run/plan.yaml"
ends 3 "plan.yaml:3" "limit" "ten" -- tollgatectl validate --offline -f "$run/plan.yaml"
printf 'kind: Plan\nname: p\nlimit: 1/second\nalgoritm: gcra\nper: consumer\n' >"$run/plan.yaml"
ends 3 "plan.yaml:4" "algoritm" "algorithm" -- tollgatectl validate -f "$run/plan.yaml"
printf 'kind: Plan\nname: p\nlimit: 1/second\nlimit: 2/second\nalgorithm: gcra\nper: consumer\n' >"$run/plan.yaml"
ends 3 "plan.yaml:4" "limit" -- tollgatectl validate -f "$run/plan.yaml"
printf 'kind: Plan\nname: p\nlimit: 1/second\nalgorithm: gcra\nper: consumer\n' >"$run/plan.yaml"
ends 0 "release 1" -- tollgatectl apply -f "$run/plan.yaml"
ends 0 "unchanged" -- tollgatectl apply -f "$run/plan.yaml"
printf 'kind: Plan\nname: p\nlimit: 2/second\nalgorithm: gcra\nper: consumer\n' >"$run/plan.yaml"
ends 4 "release" -- tollgatectl apply -f "$run/plan.yaml" --base 0
ends 1 "99" -- tollgatectl rollback 99
ends 2 "expected a number from 1 on" -- tollgatectl rollback -- -1
ends 2 "expected a number from 1 on" -- tollgatectl rollback 0x1
ends 1 "release 10" -- tollgatectl rollback 010
ends 1 "nobody" -- tollgatectl key issue nobody till
ends 2 "--id" -- tollgatectl key revoke
ends 2 "isue" "issue" "key --help" -- tollgatectl key isue
ends 2 "--flie" "--file" "apply --help" -- tollgatectl apply --flie x
ends 2 "surplus" -- tollgatectl releases surplus
ends 0 "CONSUMER" -- tollgatectl help key issue
ends 2 "aply" -- tollgatectl help aply
ends 2 "--timeout" "0s" "above zero" -- tollgatectl --timeout=0s proxies
ends 2 "--wait" "-1s" "above zero" -- tollgatectl apply -f "$run/plan.yaml" --wait=-1s
ends 2 "5000" "1 to 1000" -- tollgatectl releases -n 5000
ends 2 "--no-such-flag" -- tollgatectl proxies --no-such-flag
ends 1 "absent-1" "default" -- tollgatectl proxies absent-1
ends 2 "NODE" -- tollgatectl explain
ends 1 "absent-1" -- tollgatectl explain absent-1 GET http://x/
ends 2 "ftp://x/" "http://HOST/PATH" -- tollgatectl explain absent-1 GET ftp://x/
ends 2 "/payments" "--host" -- tollgatectl explain absent-1 GET /payments
ends 2 "nonsense" "NAME: VALUE" -- tollgatectl explain absent-1 GET http://x/ -H nonsense
ends 2 "--host" -- tollgatectl explain absent-1 GET http://x/ -H "Host: y"
ends 5 "$run/nobody.sock" -- tollgatectl -s "unix:$run/nobody.sock" explain n-1 GET http://x/
ends 2 "ttl" "soon" -- tollgatectl token --key-file "$run/x" --ttl soon
ends 1 "$run/x" -- tollgatectl token --key-file "$run/x"
finish
