#!/bin/sh
# Serializable transactions against the running server (PGHOST ...). usage: run.sh BIN_DIR
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
n=${ISOLATION_N:-25}
t=${ISOLATION_T:-150}
seed=${ISOLATION_SEED:-1}

"$bin/interleave" -n "$n" -s "$seed" "" "$here"/specs/*.spec
"$bin/append_stress" -t "$t" -s "$seed" ""
"$bin/append_stress" -t "$t" -s "$seed" -c 3 -k 40 ""
"$bin/append_stress" -t "$t" -s "$seed" -f ""
# One that outlives what there is room to remember.
"$bin/append_stress" -t "$((2 * t))" -s "$seed" -l 500 ""
# The check itself: snapshot isolation alone lets cycles through.
"$bin/append_stress" -t 250 -s "$seed" -i "repeatable read" -w ""
left=$(psql -X -A -t -c "select count(*) from pg_locks where mode = 'SIReadLock'")
[ "$left" = 0 ] || { echo "$left predicate locks are left"; exit 1; }
