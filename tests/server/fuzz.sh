#!/bin/bash
# The fuzzer for FUZZ_SECONDS (default 6) with FUZZ_SEED (default 15), against the server with_server.sh started.
# FUZZ_ARGS: further arguments. What failed is kept in FUZZ_OUT (default a fresh directory, removed if all is well).
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
out=${FUZZ_OUT:-$(mktemp -d "${TMPDIR:-/tmp}/posthaste_fuzz.XXXXXX")}
# shellcheck disable=SC2086  # a list of arguments
"$1" --corpus "$here/sql" --out "$out" --seconds "${FUZZ_SECONDS:-6}" --seed "${FUZZ_SEED:-15}" ${FUZZ_ARGS:-}
status=$?
rmdir "$out" 2>/dev/null
exit $status
