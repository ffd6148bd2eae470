#!/bin/sh
# Benchmarks of two builds beside each other: interleaved runs, the ratio of their medians for every case.
# CPU time, or wall time where several processes or threads work together. Above 1.00: HEAD is slower.
# usage: bench/compare.sh BASE_BUILD HEAD_BUILD [PROGRAM_NAME_PATTERN [BENCHMARK_FILTER [ROUNDS]]]
base=${1:?usage: bench/compare.sh BASE_BUILD HEAD_BUILD [PATTERN [FILTER [ROUNDS]]]}
head=${2:?usage: bench/compare.sh BASE_BUILD HEAD_BUILD [PATTERN [FILTER [ROUNDS]]]}
pattern=${3:-} filter=${4:-.} rounds=${5:-5}
work=$(mktemp -d /tmp/bench_compare.XXXXXX)
trap 'rm -rf "$work"' EXIT
for program in "$head"/bench/*_bench; do
    name=$(basename "$program")
    case $name in *"$pattern"*) ;; *) continue ;; esac
    [ -x "$base/bench/$name" ] || continue
    grep -q -e --rows "$program" || continue # not under Google Benchmark
    for round in $(seq "$rounds"); do
        for side in base head; do
            [ $side = base ] && dir=$base || dir=$head
            "$dir/bench/$name" --benchmark_filter="$filter" --benchmark_format=csv 2>/dev/null |
                awk -F, -v side=$side -v program="$name" '$1 ~ /^"/ && $3 != "" {
                    gsub(/"/, "", $1)
                    print program ":" $1 "\t" side "\t" ($1 ~ /processes:|real_time/ ? $3 : $4) "\t" $5 }' >>"$work/runs"
        done
    done
done
sort -t'	' -k1,1 -k2,2 -k3,3g "$work/runs" 2>/dev/null | awk -F'\t' '
    function flush_group() { if (n) median[name, side] = v[int((n + 1) / 2)]; n = 0 }
    { if ($1 != name || $2 != side) { flush_group(); if ($1 != name) order[++count] = $1; name = $1; side = $2 }
      v[++n] = $3; unit[$1] = $4 }
    END { flush_group()
          printf "%-64s %12s %12s %8s\n", "case", "base", "head", "ratio"
          for (i = 1; i <= count; i++) { c = order[i]
              if ((c, "base") in median && (c, "head") in median)
                  printf "%-64s %9.2f %s %9.2f %s %8.2f\n", c, median[c, "base"], unit[c], median[c, "head"], unit[c],
                         median[c, "head"] / median[c, "base"] } }'
