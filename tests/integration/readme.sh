#!/usr/bin/env bash
# The README's first policy, pasted as it stands there, but for ports and directory.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# block FIRST: the README's code block that begins with this text.
block() {
  awk -v first="$1" '/^```/ { if (on) exit; fence = 1; next }
    fence { on = index($0, first) == 1; fence = 0 } on' "$root/README.md"
}
plain() { sed -E '/^#/d; s/ +#.*//' "$@"; }  # without comments
check "the policy that the README explains is the example" \
  diff <(block "kind: Service" | plain) <(plain "$root/deploy/examples/first-policy.yaml")

commands=$(block 'export PATH=')
check "the commands are there" contains "$commands" "tollgate-proxy"
mkdir -p "$run/deploy/examples"
cp "$root/deploy/examples/first-policy.yaml" "$run/deploy/examples"
for fixed in 8080 8090 9000; do
  free_port
  commands=${commands//127.0.0.1:$fixed/127.0.0.1:$port}
  sed -i "s/127.0.0.1:$fixed/127.0.0.1:$port/" "$run/deploy/examples/first-policy.yaml"
done
commands=${commands//\/tmp\/tollgate/$run/tollgate}
# As in a terminal: every line, whatever became of the one before.
out=$(cd "$run" && bash -c "trap 'kill %1 %2 %3; wait' EXIT
$commands" 2>&1)
echo "$out"
has_line() { grep -qxF -- "$1" <<<"$out"; }
check "the policy is valid" has_line valid
check "it is published" contains "$out" "release 1"
check "the sidecar is ready" contains "$out" '"ready":true'
check "the sidecar is listed" contains "$out" hello-1
check "for everybody: the service answers" contains "$out" '"path":"/health"'
check "without a key: 401" contains "$out" '"code":"no_credential"'
check "with it: the service answers" contains "$out" '"path":"/payments/7"'
check "the fourth in a second, and only that: 429" \
  test "$(grep -c '"code":"limit_exceeded"' <<<"$out")" = 1
finish
