#!/usr/bin/env bash
# Installs from Debian what Tollgate needs and this machine lacks. As root, or through sudo; without
# either it prints the one line to run and exits 1.
#   install-deps.sh run     what the demo and a Release build need
#   install-deps.sh test    and what the tests need
#   install-deps.sh bench   and the peers and load tools of bench/peers
set -euo pipefail

build=(g++ cmake ninja-build ccache mold pkg-config ca-certificates
  libgrpc-dev libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev
  libssl-dev zlib1g-dev libc-ares-dev libre2-dev libspdlog-dev libfmt-dev libsimdjson-dev
  libsqlite3-dev libyaml-cpp-dev libcli11-dev libnghttp2-dev node-llhttp)
run=(curl jq procps)
test=(libgtest-dev libgmock-dev libbenchmark-dev git)
bench=(haproxy nginx-light nghttp2-client wrk strace linux-perf python3)

packages=("${build[@]}" "${run[@]}")
case "${1:-run}" in
  run) ;;
  test) packages+=("${test[@]}") ;;
  bench) packages+=("${test[@]}" "${bench[@]}") ;;
  *) echo "usage: $0 run|test|bench" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

if ((EUID == 0)); then
  as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo)
else
  echo "These Debian packages are missing. As root, run:" >&2
  echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
# Services of packages (haproxy, nginx) must not start here: they are only run by hand.
policy=/usr/sbin/policy-rc.d
made_policy=
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  made_policy=1
fi
trap '[[ -z $made_policy ]] || "${as_root[@]}" rm -f "$policy"' EXIT
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "installed"
