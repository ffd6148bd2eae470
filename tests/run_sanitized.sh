#!/bin/sh
# Every test under the address and undefined behaviour sanitizers: packages (when root), a build in build-asan/, all of
# ctest, among it the whole SQL corpus, the drivers, crash torture and the fuzzer. A report of any process of any test
# fails the test sanitizer_reports, which runs last. The last lines are ctest's summary.
# usage: tests/run_sanitized.sh [ctest arguments]
# REPORTS=DIR: where the reports go (default: a fresh directory in TMPDIR, removed when it stays empty)
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh
install_packages

generator=
command -v ninja >/dev/null && [ ! -f build-asan/CMakeCache.txt ] && generator="-G Ninja"
cmake -C procs/cmake/asan.cmake $generator -S . -B build-asan
cmake --build build-asan --parallel "$(nproc)"

# Outside the tree, and open to all: servers run as a user of their own.
reports=${REPORTS:-$(mktemp -d "${TMPDIR:-/tmp}/posthaste_reports.XXXXXX")}
mkdir -p "$reports"
chmod 1777 "$reports"
SANITIZER_REPORTS=$reports
ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:disable_coredump=1:log_path=$reports/asan
UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1:log_path=$reports/ubsan
export SANITIZER_REPORTS ASAN_OPTIONS UBSAN_OPTIONS
status=0
ctest --test-dir build-asan --output-on-failure "$@" || status=$?
# The summary says what, unless sanitizer_reports was left out by the arguments.
if grep -Erq 'ERROR: |runtime error:' "$reports"; then
    [ $status != 0 ] || status=1
else
    rm -rf "$reports"
fi
exit $status
