#!/bin/bash
# vs_postgres.sh: this server beside PostgreSQL 15, on the same machine in the same run, equal settings and durability.
# The servers take turns, round by round; the table has the median of each, the ratio, and the server CPU per
# transaction or statement (all processes of the instance, from /proc).
set -u
usage() {
    cat <<'USAGE'
usage: vs_postgres.sh BIN_DIR [-T SECONDS] [-r ROUNDS] [-s SCALE] [-g GLOB] [-o DIR]

  -T   seconds of each pgbench run (default 5)     -r   rounds (default 3)
  -s   pgbench scale (default 10); the analytical tables have 100,000 rows for each
  -g   only loads whose name matches GLOB (as 'select-only*', 'q1', 'copy*')
  -o   where results.tsv and the page index.html go (default bench/results)

environment: PG15_BIN (PostgreSQL's programs), SERVER_USER (whom root starts the servers as), SERVER_CONF (more settings)
USAGE
}
[ $# -ge 1 ] || { usage >&2; exit 2; }
[ "$1" != --help ] || { usage; exit 0; }
here=$(cd "$(dirname "$0")" && pwd)
. "$here/servers.sh"
bin_dir=$1 seconds=5 rounds=3 scale=10 only='*' out=$here/results
shift
while getopts T:r:s:g:o: o; do
    case $o in
    T) seconds=$OPTARG ;; r) rounds=$OPTARG ;; s) scale=$OPTARG ;; g) only=$OPTARG ;; o) out=$OPTARG ;;
    *) usage >&2; exit 2 ;;
    esac
done
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
servers_start "$bin_dir"
rows=$((scale * 100000))
for s in a b; do
    servers_pgbench $s -i -s "$scale" -q >/dev/null 2>&1 || exit 2
    servers_psql $s >/dev/null <<SQL || exit 2
CREATE TABLE items AS
    SELECT g AS id, (g::bigint * 7919 % ($rows / 10))::int AS part, g % 50 + 1 AS quantity, (g::bigint * 31 % 1000000)::numeric / 100 AS price,
        (g % 11)::numeric / 100 AS discount, date '1992-01-01' + g % 2500 AS shipped, chr(65 + g % 3) AS flag, chr(70 + g % 2) AS status, 'comment ' || g AS comment
    FROM generate_series(1, $rows) g;
CREATE TABLE parts AS SELECT g AS part, 'brand' || g % 25 AS brand, g % 50 AS size FROM generate_series(0, $rows / 10 - 1) g;
CREATE TABLE copied (LIKE items);
VACUUM ANALYZE;
SQL
done
servers_psql b -c "COPY items TO STDOUT" >"$work/items.copy" || exit 2

# One measurement: value (tps, or ms of a statement) and microseconds of server CPU per transaction or statement.
tick_us=$((1000000 / $(getconf CLK_TCK)))
measure_pgbench() {
    local before out n
    before=$(servers_ticks "$1")
    out=$(servers_pgbench "$1" -T "$seconds" "${@:2}" 2>/dev/null)
    sleep 0.3
    n=$(echo "$out" | sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p')
    echo "$out" | awk -v t=$(($(servers_ticks "$1") - before)) -v us=$tick_us -v n="${n:-0}" '/^tps/ {v = $3} END {printf "%.1f %.1f\n", v, n ? t * us / n : 0}'
}
measure_sql() {
    local before ms
    before=$(servers_ticks "$1")
    # The first run warms up. CPU is that of both runs, halved.
    ms=$(servers_psql "$1" -c '\timing on' -c "$2" -c "$2" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -1)
    echo "$ms $(($(($(servers_ticks "$1") - before)) * tick_us / 2))"
}
measure_copy() {
    local before start
    servers_psql "$1" -c 'TRUNCATE copied'
    before=$(servers_ticks "$1")
    start=$(date +%s%N)
    servers_psql "$1" -c 'COPY copied FROM STDIN' <"$work/items.copy"
    echo "$((($(date +%s%N) - start) / 1000000)) $((($(servers_ticks "$1") - before) * tick_us))"
}

column() { awk -v c="$2" '{print $c}' "$1" | median; }
results=$out/results.tsv
printf 'load\tunit\tours\tpostgresql\tratio\tours_cpu_us\tpostgresql_cpu_us\n' >"$results"
format='%-30s %5s %12s %12s %7s %12s %12s\n'
# shellcheck disable=SC2059
printf "$format" load unit ours postgresql ratio "cpu us ours" "cpu us pg"

load() { # name, unit (tps: more is better; ms: less), measure function, its arguments
    local label=$1 unit=$2 measure=$3 s a b ac bc ratio
    shift 3
    # shellcheck disable=SC2254
    case $label in $only) ;; *) return ;; esac
    : >"$work/a.out"; : >"$work/b.out"
    for _ in $(seq "$rounds"); do
        for s in a b; do "$measure" $s "$@" >>"$work/$s.out"; done
    done
    a=$(column "$work/a.out" 1) b=$(column "$work/b.out" 1) ac=$(column "$work/a.out" 2) bc=$(column "$work/b.out" 2)
    ratio=$(awk -v a="$a" -v b="$b" -v u="$unit" 'BEGIN {printf "%.2f", u == "tps" ? a / b : b / a}')
    # shellcheck disable=SC2059
    printf "$format" "$label" "$unit" "$a" "$b" "$ratio" "$ac" "$bc"
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$label" "$unit" "$a" "$b" "$ratio" "$ac" "$bc" >>"$results"
}

for c in 1 8 32 64; do
    j=$((c > 1 ? 2 : 1))
    for m in simple extended prepared; do
        load "select-only_${m}_c$c" tps measure_pgbench -S -M $m -c $c -j $j
        load "default_${m}_c$c" tps measure_pgbench -M $m -c $c -j $j
    done
done
load connect_select-only_c8 tps measure_pgbench -C -S -c 8 -j 2
load copy_in ms measure_copy
while read -r label sql; do
    load "$label" ms measure_sql "$sql"
done <<'SQL'
count SELECT count(*) FROM items
q1 SELECT flag, status, sum(quantity), sum(price), sum(price * (1 - discount)), avg(quantity), avg(price), avg(discount), count(*) FROM items WHERE shipped <= date '1998-09-02' GROUP BY flag, status ORDER BY flag, status
q6 SELECT sum(price * discount) FROM items WHERE shipped >= date '1994-01-01' AND shipped < date '1995-01-01' AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24
join_group SELECT brand, sum(price), count(*) FROM items JOIN parts USING (part) WHERE size < 10 GROUP BY brand ORDER BY brand
top_10 SELECT * FROM items ORDER BY price DESC, id LIMIT 10
sort_text SELECT count(*) FROM (SELECT * FROM items ORDER BY comment) s
count_distinct SELECT count(DISTINCT part) FROM items
window SELECT max(s) FROM (SELECT sum(quantity) OVER (PARTITION BY flag ORDER BY id) AS s FROM items) w
like SELECT count(*) FROM items WHERE comment LIKE '%999%'
SQL
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
echo "CPU: ${cpu:-$(uname -m)}, $(nproc) cores; $rounds rounds of ${seconds} s; ratio > 1: this server is faster"
awk -f "$here/vs_postgres_page.awk" -v about="${cpu:-$(uname -m)}, $(nproc) cores; medians of $rounds rounds of $seconds s, scale $scale; $(date -u +%Y-%m-%d)" "$results" >"$out/index.html"
echo "page: $out/index.html"
