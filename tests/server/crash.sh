#!/bin/bash
# A few rounds of the crash torture with a fixed seed, against a copy of the build that the server's user can read.
# CRASH_ROUNDS, CRASH_KILL_REDO, CRASH_SEED: more of it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/posthaste_crash.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cp -L "$PG_BIN/posthaste" "$work/posthaste" || exit 99
for name in postgres initdb pg_ctl pg_controldata; do ln -s posthaste "$work/$name"; done
PG_BIN=$work PGPORT=$((20000 + $$ % 20000))
PGHOST=/tmp
export PG_BIN PGPORT PGHOST
bash "$here/../torture/crash_torture.sh" --init --rounds "${CRASH_ROUNDS:-4}" --kill-redo "${CRASH_KILL_REDO:-1}" \
    --seed "${CRASH_SEED:-15}" --run-ms 1000:3000
