#!/bin/bash
# run.sh: the differential runner. Each SQL file runs in a fresh database of one fixed name;
# what psql prints is compared with what PostgreSQL 15 printed.
set -u

usage() {
    cat <<'USAGE'
usage: run.sh [options] [file...]

Runs tests/sql/*.sql (or the files named, by path or by bare name) and compares with
tests/sql/expected/<file>.out. The last line is "N passed, N failed".

  -h HOST -p PORT -U USER -d DB   the server under test; DB is the maintenance database
                                  (default: PGHOST, PGPORT, PGUSER or postgres, PGDATABASE or postgres)
  --record          write the expected output instead of comparing (run it on PostgreSQL 15 only)
  --live-pg         compare with a PostgreSQL 15 run now (tests/diff/pg15.sh) instead of the recorded output
  --progress        per file, print how many of the expected output lines matched (echoed input not counted)
  --statements      only count the statements of the corpus; runs nothing
  --no-createdb     run in DB itself, for servers that cannot yet create databases
  --exclude GLOB    leave out files whose name matches (may be repeated), as --exclude 'extra_*'
  -t SECONDS        time limit per file (default 60)
  -o DIR            where actual outputs and full diffs go (default ${TMPDIR:-/tmp}/posthaste-diff.UID)
  -n LINES          diff lines to show per failing file (default 12)
  --help            this text

environment:
  DIFF_RESTART      a shell command that brings the server back; run when it stops answering
  DIFF_RECOVERY_S   seconds to wait for a server that stopped answering (default 10)
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
sqldir=$(cd "$here/../sql" && pwd)
expdir=$sqldir/expected
host=${PGHOST:-}
port=${PGPORT:-5432}
user=${PGUSER:-postgres}
maintenance_db=${PGDATABASE:-postgres}
outdir=${TMPDIR:-/tmp}/posthaste-diff.$(id -u)
testdb=difftest
mode=compare
live=0
progress=0
createdb=1
limit_s=60
show_lines=12
excludes=()
names=()

need() { [ "$1" -ge 2 ] || { usage >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case $1 in
    --record) mode=record ;;
    --live-pg) live=1 ;;
    --progress) progress=1 ;;
    --statements) mode=statements ;;
    --no-createdb) createdb=0 ;;
    --exclude) need $#; excludes+=("$2"); shift ;;
    -h) need $#; host=$2; shift ;;
    -p) need $#; port=$2; shift ;;
    -U) need $#; user=$2; shift ;;
    -d) need $#; maintenance_db=$2; shift ;;
    -t) need $#; limit_s=$2; shift ;;
    -o) need $#; outdir=$2; shift ;;
    -n) need $#; show_lines=$2; shift ;;
    --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done

# Resolve the files to run: given ones by path or by bare name, else the whole corpus.
files=()
if [ ${#names[@]} -eq 0 ]; then
    files=("$sqldir"/*.sql)
else
    for name in "${names[@]}"; do
        if [ -f "$name" ]; then
            files+=("$name")
        elif [ -f "$sqldir/${name%.sql}.sql" ]; then
            files+=("$sqldir/${name%.sql}.sql")
        else
            echo "run.sh: no such file: $name" >&2
            exit 2
        fi
    done
fi

is_excluded() {
    local pattern
    for pattern in ${excludes[@]+"${excludes[@]}"}; do
        # shellcheck disable=SC2254  # the pattern is meant to be a glob
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# The client's side of the environment is part of the expected output: fix all of it.
unset PGOPTIONS PGDATESTYLE PGGEQO PGSERVICE PGAPPNAME COLUMNS PSQL_PAGER PAGER
export LC_ALL=C PGTZ=UTC PGCLIENTENCODING=UTF8 PGCONNECT_TIMEOUT=5

answers() {
    run_limited 5 "$1" "$2" "$3" -Atqc 'select 1' -d "$maintenance_db" >/dev/null 2>&1
}

# run_limited SECONDS HOST PORT USER ARGS...: psql, killed after a number of seconds.
run_limited() {
    local s=$1 h=$2 p=$3 u=$4
    shift 4
    if [ -n "$h" ]; then
        timeout -k 2 "$s" psql -X -h "$h" -p "$p" -U "$u" "$@"
    else
        timeout -k 2 "$s" psql -X -p "$p" -U "$u" "$@"
    fi
}

server_gone=0
wait_for_server() {
    local i wait_s=${DIFF_RECOVERY_S:-10}
    if answers "$1" "$2" "$3"; then
        server_gone=0
        return 0
    fi
    # Waited for in vain once: from then on only look whether somebody has brought it back.
    [ "$server_gone" -eq 1 ] && [ -z "${DIFF_RESTART:-}" ] && return 1
    if [ -n "${DIFF_RESTART:-}" ]; then
        bash -c "$DIFF_RESTART" >/dev/null 2>&1
    fi
    for ((i = 0; i < wait_s; i++)); do
        answers "$1" "$2" "$3" && return 0
        sleep 1
    done
    server_gone=1
    return 1
}

drop_testdb() {
    run_limited 20 "$1" "$2" "$3" -q -d "$maintenance_db" \
        -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $testdb" >/dev/null 2>&1 ||
        run_limited 20 "$1" "$2" "$3" -q -d "$maintenance_db" \
            -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $testdb WITH (FORCE)" >/dev/null 2>&1
}

# run_file SQL OUT HOST PORT USER; 0 ran to the end, 1 could not run, 124 and 137 timed out
run_file() {
    local sql=$1 out=$2 h=$3 p=$4 u=$5 db=$maintenance_db rc
    if [ "$createdb" -eq 1 ]; then
        drop_testdb "$h" "$p" "$u"
        if ! run_limited 30 "$h" "$p" "$u" -q -d "$maintenance_db" -c "CREATE DATABASE $testdb" >"$out" 2>&1; then
            return 1
        fi
        db=$testdb
    fi
    run_limited "$limit_s" "$h" "$p" "$u" -a -q -v VERBOSITY=default -d "$db" <"$sql" >"$out" 2>&1
    rc=$?
    if [ "$createdb" -eq 1 ]; then
        drop_testdb "$h" "$p" "$u"
    fi
    case $rc in
    124 | 137) echo "*** run.sh: time limit of $limit_s s exceeded" >>"$out"; return $rc ;;
    *) return 0 ;;
    esac
}

# Lines of input that psql -a does not echo: the data of COPY FROM STDIN. The rest of the input
# is echoed whatever the server does, so it says nothing about progress.
echoed_lines() {
    awk 'copying { if ($0 == "\\.") copying = 0; next }
         { n++ }
         tolower($0) ~ /^copy .*from stdin.*;/ { copying = 1 }
         END { print n + 0 }' "$1"
}

if [ "$mode" = statements ]; then
    total=0
    meta=0
    for f in "${files[@]}"; do
        base=$(basename "$f" .sql)
        is_excluded "$base" && continue
        counts=$(awk -f "$here/count.awk" "$f")
        n=${counts%% *}
        m=${counts##* }
        printf '%6d %s\n' "$n" "$base"
        total=$((total + n))
        meta=$((meta + m))
    done
    echo "$total statements, $meta psql commands"
    exit 0
fi

mkdir -p "$outdir" || exit 2
if [ "$live" -eq 1 ]; then
    "$here/pg15.sh" start >/dev/null || exit 2
    eval "$("$here/pg15.sh" env | sed 's/PG/live_PG/g')"
fi
if [ "$mode" = record ]; then
    version=$(run_limited 10 "$host" "$port" "$user" -Atqc 'show server_version_num' -d "$maintenance_db") || exit 2
    case $version in
    15????) ;;
    *) echo "run.sh: --record wants PostgreSQL 15, this is $version" >&2; exit 2 ;;
    esac
fi

passed=0
failed=0
lines_matched=0
lines_total=0
for f in "${files[@]}"; do
    base=$(basename "$f" .sql)
    is_excluded "$base" && continue
    actual=$outdir/$base.out
    expected=$expdir/$base.out
    difference=$outdir/$base.diff
    rm -f "$difference"
    if [ "$mode" = record ]; then
        mkdir -p "$expdir"
        actual=$expected
    elif [ "$live" -eq 1 ]; then
        expected=$outdir/$base.pg15.out
        # shellcheck disable=SC2154  # set by the eval above
        run_file "$f" "$expected" "$live_PGHOST" "$live_PGPORT" "$live_PGUSER"
    fi
    note=
    if ! wait_for_server "$host" "$port" "$user"; then
        note=' (server does not answer)'
        : >"$actual"
        rc=1
    else
        run_file "$f" "$actual" "$host" "$port" "$user"
        rc=$?
        case $rc in
        0) ;;
        1) note=' (could not create the database)' ;;
        *) note=' (time limit)' ;;
        esac
    fi
    if [ "$mode" = record ]; then
        if [ $rc -eq 0 ]; then
            echo "recorded $base"
            passed=$((passed + 1))
        else
            echo "FAIL $base$note"
            failed=$((failed + 1))
        fi
        continue
    fi
    if [ ! -f "$expected" ]; then
        note=' (no expected output)'
        : >"$outdir/$base.empty"
        expected=$outdir/$base.empty
    fi
    diff -U3 --label "expected/$base" --label "actual/$base" "$expected" "$actual" >"$difference"
    same=$?
    score=
    if [ "$progress" -eq 1 ]; then
        echoed=$(echoed_lines "$f")
        total=$(wc -l <"$expected")
        lost=$(diff "$expected" "$actual" | grep -c '^<')
        answer=$((total - echoed))
        [ $answer -lt 0 ] && answer=0
        hit=$((answer - lost))
        [ $hit -lt 0 ] && hit=0
        lines_matched=$((lines_matched + hit))
        lines_total=$((lines_total + answer))
        score=" [$hit of $answer lines]"
    fi
    if [ $same -eq 0 ] && [ $rc -eq 0 ]; then
        rm -f "$difference"
        echo "ok   $base$score"
        passed=$((passed + 1))
    else
        echo "FAIL $base$score$note"
        if [ "$progress" -eq 0 ]; then
            tail -n +3 "$difference" | head -n "$show_lines" | sed 's/^/     /'
        fi
        failed=$((failed + 1))
    fi
done

if [ "$progress" -eq 1 ] && [ "$mode" = compare ]; then
    echo "$lines_matched of $lines_total lines of output matched"
fi
if [ $failed -gt 0 ] && [ "$mode" = compare ]; then
    echo "full diffs: $outdir/*.diff"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
