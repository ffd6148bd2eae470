#!/bin/sh
# The table of the hot paths: every row's goal, what was measured, the textbook's figure and the ratio.
# Each hot_*_bench prints its own rows: tab-separated
#     row  what  unit  goal  goal_ratio  ours  textbook  ratio  met|short|skipped
# usage: bench/hot_paths.sh BUILD_DIR [PROGRAM_NAME_PATTERN]     exit code 1 if a goal is not met
build=${1:?usage: bench/hot_paths.sh BUILD_DIR [PATTERN]}
pattern=${2:-}
cpu=$(awk -F': *' '/^(model name|CPU part|Model)/ {print $2; exit}' /proc/cpuinfo)
type=$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt" 2>/dev/null)
echo "CPU: ${cpu:-unknown}, $(nproc) cores, $(uname -m); build: ${type:-unknown}; $(git -C "$(dirname "$0")" rev-parse --short HEAD 2>/dev/null)"
for program in "$build"/bench/hot_*_bench; do
    case $program in *"$pattern"*) ;; *) continue ;; esac
    [ -x "$program" ] || continue
    "$program" --rows || echo "row	$(basename "$program") failed	-	0	0	0	0	0	short"
done | awk -F'\t' '
    function figure(v, unit) {
        if (v == 0) return "-"
        if (unit == "/s") return sprintf("%.3g/s", v)
        return sprintf(unit == "%" ? "%.2f %s" : "%.1f %s", v, unit)
    }
    BEGIN { printf "%-58s %-18s %12s %12s %8s\n", "what", "goal", "measured", "textbook", "ratio" }
    $1 != "row" { print; next }
    {
        goal = ""
        if ($4 != 0) goal = ($3 == "ns" ? "<= " : ">= ") figure($4, $3)
        if ($5 != 0) goal = goal (goal == "" ? "" : ", ") ">= " $5 "x"
        printf "%-58s %-18s %12s %12s %8s  %s\n", $2, goal, figure($6, $3), figure($7, $3), $8 == 0 ? "-" : sprintf("%.2fx", $8), $9
        fflush()
        if ($9 == "short") short++
    }
    END { exit short > 0 }'
