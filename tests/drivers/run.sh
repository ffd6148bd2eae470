#!/bin/bash
# run.sh: the driver tests. Dependencies are installed into a directory outside the tree.
set -u

usage() {
    cat <<'USAGE'
usage: run.sh [-h HOST] [-p PORT] [-U USER] [-d DB] [--only roundtrip|abuse] [--record]

Runs roundtrip.mjs and protocol_abuse.mjs against a server that trusts the user.
The last line is "N passed, N failed". Exit status 77: all that ran passed, but npm's registry
could not be reached, so that roundtrip.mjs did not run.

  --only NAME   run one of the two programs
  --record      record protocol_abuse.expected.json from the server (PostgreSQL 15 only)

environment: PGHOST (default /tmp), PGPORT, PGUSER (postgres), PGDATABASE (postgres);
  DRIVERS_DIR   where node_modules go and stay (default ${TMPDIR:-/tmp}/posthaste-drivers.UID)
  NODE, NPM     the programs (default node, else nodejs; npm)
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
only=
record=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | -p | -U | -d | --only)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        case $1 in
        -h) PGHOST=$2 ;;
        -p) PGPORT=$2 ;;
        -U) PGUSER=$2 ;;
        -d) PGDATABASE=$2 ;;
        --only) only=$2 ;;
        esac
        shift
        ;;
    --record) record=(--record) ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
export PGHOST=${PGHOST:-/tmp} PGPORT=${PGPORT:-5432} PGUSER=${PGUSER:-postgres} PGDATABASE=${PGDATABASE:-postgres}

node=${NODE:-$(command -v node || command -v nodejs)}
npm=${NPM:-npm}
if [ -z "$node" ]; then
    echo "run.sh: no node" >&2
    exit 2
fi
dir=${DRIVERS_DIR:-${TMPDIR:-/tmp}/posthaste-drivers.$(id -u)}
mkdir -p "$dir" || exit 2
cp "$here"/*.mjs "$here"/*.json "$dir/" || exit 2

passed=0
failed=0
run_program() {
    local name=$1 out=$dir/$1.out line
    shift
    timeout 300 "$node" --no-deprecation "$@" | tee "$out"
    line=$(tail -n 1 "$out")
    case $line in
    *' passed, '*' failed')
        passed=$((passed + ${line%% passed*}))
        line=${line##* passed, }
        failed=$((failed + ${line%% failed*}))
        ;;
    *)
        echo "FAIL $name: it ended without its closing line"
        failed=$((failed + 1))
        ;;
    esac
}

skipped=
install_driver() {
    if (cd "$dir" && "$npm" ci --no-audit --no-fund --prefer-offline --loglevel=error >"$dir/npm.log" 2>&1); then
        cp "$here/package-lock.json" "$dir/installed-lock.json"
    elif command -v "$npm" >/dev/null && ! "$npm" ping --fetch-retries=0 --fetch-timeout=10000 >/dev/null 2>&1; then
        skipped="npm's registry ($("$npm" config get registry)) cannot be reached, so the driver pg could not be installed"
    else
        cat "$dir/npm.log" >&2
        exit 2
    fi
}

if [ "$only" != abuse ]; then
    if [ ! -d "$dir/node_modules/pg" ] || ! cmp -s "$here/package-lock.json" "$dir/installed-lock.json"; then
        install_driver
    fi
    [ -n "$skipped" ] || run_program roundtrip "$dir/roundtrip.mjs"
fi
if [ "$only" != roundtrip ]; then
    run_program abuse "$dir/protocol_abuse.mjs" ${record[@]+"${record[@]}"}
    if [ ${#record[@]} -gt 0 ]; then
        cp "$dir/protocol_abuse.expected.json" "$here/"
    fi
fi
[ -z "$skipped" ] || echo "SKIPPED roundtrip: $skipped"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] || exit 1
[ -z "$skipped" ] || exit 77
