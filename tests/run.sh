#!/usr/bin/env bash
# Installs what is missing, builds, and runs the whole suite through CTest.
#   tests/run.sh                         Release, with warnings as errors
#   tests/run.sh --sanitizer address     AddressSanitizer and UBSan, in a build of its own
#   tests/run.sh --sanitizer thread      ThreadSanitizer, likewise
#   tests/run.sh -R NAME                 anything else goes to ctest
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

sanitizer=
args=()
while (($#)); do
  case $1 in
    --sanitizer)
      sanitizer=${2:-}
      [[ $sanitizer == address || $sanitizer == thread ]] ||
        { echo "--sanitizer \"$sanitizer\": expected address or thread" >&2; exit 2; }
      shift 2 ;;
    -h|--help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) args+=("$1"); shift ;;
  esac
done

deploy/scripts/install-deps.sh test
build=$root/build
type=Release
if [[ -n $sanitizer ]]; then
  build=$root/build-$sanitizer
  type=Debug
  export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp history_size=4 ${TSAN_OPTIONS:-}"
  export ASAN_OPTIONS="detect_leaks=1 ${ASAN_OPTIONS:-}"
  export LSAN_OPTIONS="suppressions=$root/tests/lsan.supp print_suppressions=0 ${LSAN_OPTIONS:-}"
  export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS:-}"
fi
started=$SECONDS
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=$type -DBUILD_TESTING=ON \
  -DTOLLGATE_SANITIZER=$sanitizer >"$build.cmake.log" 2>&1 || { cat "$build.cmake.log"; exit 1; }
rm -f "$build.cmake.log"
echo "building ($type${sanitizer:+, sanitizer $sanitizer}) in ${build#"$root"/}"
ninja -C "$build" | grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking|Generating|Re-checking)' || true
ninja -C "$build" >/dev/null
echo "built in $((SECONDS - started)) s; running the suite"
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" \
  ${args[@]+"${args[@]}"} | grep -vE '^ *[0-9]+/[0-9]+ Test +#.*Passed|^ +Start '
