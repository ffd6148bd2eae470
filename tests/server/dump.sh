#!/bin/sh
# pg_dump 15, plain and custom format: a database dumped, restored and dumped again is the same; nothing
# of the system's own is in the dump.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The key of \restrict is drawn anew for each dump.
dump() { pg_dump "$1" | grep -v '^\\\(un\)\?restrict ' >"$2"; }
same() {
    diff "$1" "$2" >"$work/diff" && return
    echo "$3 differs from its source:"
    head -40 "$work/diff"
    exit 1
}
createdb origin
psql -X -q -v ON_ERROR_STOP=1 -d origin -f "$here/dump.sql" >"$work/log"
dump origin "$work/origin"
if grep -q 'pg_catalog; Owner\|information_schema; Owner' "$work/origin"; then
    echo "objects of the system were dumped:"
    grep 'pg_catalog; Owner\|information_schema; Owner' "$work/origin" | head
    exit 1
fi
createdb plain
psql -X -q -v ON_ERROR_STOP=1 -d plain -f "$work/origin" >"$work/log"
dump plain "$work/plain"
same "$work/origin" "$work/plain" "the restored plain dump"
pg_dump -Fc -f "$work/archive" origin
createdb custom
pg_restore -e -d custom "$work/archive"
dump custom "$work/custom"
same "$work/origin" "$work/custom" "the restored archive"
echo "1 passed, 0 failed"
