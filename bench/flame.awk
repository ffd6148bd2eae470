# A flame graph of `perf script`'s output, without further tools: as text (a tree of where the time goes), or
# with -v svg=1 as a picture that a browser shows, with the share of each box under the pointer.
#   perf script -i perf.data --comm postgres | awk -f bench/flame.awk | less
#   perf script -i perf.data --comm postgres | awk -v svg=1 -f bench/flame.awk > flame.svg
# -v least=1: leave out what is below that many per cent. -v skip=main: begin below this function.

function end_of_sample(   i, path, below) {
    if (depth == 0)
        return
    below = depth
    if (skip != "")
        for (i = depth; i > 0; i--)
            if (stack[i] == skip)
                below = i - 1
    path = ""
    for (i = below; i > 0; i--) {
        if (!((path SUBSEP stack[i]) in count)) {
            children[path] = children[path] (children[path] == "" ? "" : "\n") stack[i]
            count[path SUBSEP stack[i]] = 0
        }
        path = path SUBSEP stack[i]
        count[path]++
    }
    total++
    depth = 0
}

/^[^ \t#]/ { end_of_sample(); next }
/^[ \t]+[0-9a-f]+ / {
    name = $2
    sub(/\+0x[0-9a-f]+$/, "", name)
    stack[++depth] = name # innermost first
}

# Children of a path, most time first.
function sorted(path, out,   n, i, j, t) {
    n = split(children[path], out, "\n")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && count[path SUBSEP out[j]] > count[path SUBSEP out[j - 1]]; j--) {
            t = out[j]
            out[j] = out[j - 1]
            out[j - 1] = t
        }
    return n
}

function text(path, level,   names, n, i, p) {
    n = sorted(path, names)
    for (i = 1; i <= n; i++) {
        p = path SUBSEP names[i]
        if (count[p] * 100 / total < least)
            break
        printf "%5.1f %% %*s%s\n", count[p] * 100 / total, level * 2, "", names[i]
        text(p, level + 1)
    }
}

function boxes(path, level, x,   names, n, i, p, w, shown) {
    n = sorted(path, names)
    deepest = level > deepest ? level : deepest
    for (i = 1; i <= n; i++) {
        p = path SUBSEP names[i]
        w = count[p] * 1200 / total
        if (count[p] * 100 / total < least)
            break
        shown = substr(names[i], 1, int(w / 6.5))
        body = body sprintf("<g><title>%s: %.2f %%</title><rect x='%.1f' y='%d' width='%.1f' height='17' fill='hsl(%d,75%%,%d%%)'/>" \
                            "<text x='%.1f' y='%d'>%s</text></g>\n", names[i], count[p] * 100 / total, x, level * 18, w > 0.5 ? w - 0.4 : w,
                            10 + length(names[i]) * 7 % 45, 62 + level * 5 % 12, x + 2, level * 18 + 13, shown)
        boxes(p, level + 1, x)
        x += w
    }
}

END {
    end_of_sample()
    if (least == "")
        least = svg ? 0.1 : 2
    if (total == 0) {
        print "no samples" > "/dev/stderr"
        exit 1
    }
    if (!svg) {
        text("", 0)
    } else {
        boxes("", 0, 0)
        printf "<svg xmlns='http://www.w3.org/2000/svg' width='1200' height='%d' font-family='monospace' font-size='11'>\n%s</svg>\n", (deepest + 1) * 18, body
    }
}
