# From vs_postgres.sh's results.tsv to one HTML page that needs nothing else: a bar for each load's ratio, then the table.
function escape(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s }
function bar(y, label, ratio, unit,    w, shown) {
    shown = ratio > top ? top : ratio
    w = shown / top * 560
    printf "<text x=\"210\" y=\"%d\" text-anchor=\"end\">%s</text>", y + 13, escape(label)
    printf "<rect x=\"220\" y=\"%d\" width=\"%.1f\" height=\"16\" rx=\"2\" class=\"%s\"/>", y, w, (ratio >= 1 ? "faster" : "slower")
    printf "<text x=\"%.1f\" y=\"%d\">%.2f &times;</text>\n", 226 + w, y + 13, ratio
}
BEGIN { FS = "\t"; top = 1.2 }
NR > 1 { n++; for (i = 1; i <= 7; i++) f[n, i] = $i; if ($5 > top) top = $5 }
END {
    if (top > 8)
        top = 8 # a longer bar would make the others unreadable; its figure stands beside it
    print "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Posthaste beside PostgreSQL 15</title><style>"
    print "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff}"
    print "h1{font-size:1.5rem}p{color:#51606f}svg text{font-size:12px;fill:currentColor}.faster{fill:#2a7f62}.slower{fill:#b5533c}"
    print "line{stroke:#8896a5;stroke-dasharray:3 3}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    print "th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #e3e8ee}th:first-child,td:first-child{text-align:left}"
    print "@media(prefers-color-scheme:dark){body{background:#14191f;color:#dbe3ea}p{color:#9aa8b5}th,td{border-color:#2b343d}}</style>"
    print "<h1>Posthaste beside PostgreSQL 15</h1><p>" escape(about) "</p>"
    print "<p>Bars: how many times faster Posthaste is (transactions per second, or time of a statement). The dashed line is PostgreSQL.</p>"
    height = n * 24 + 10
    printf "<svg viewBox=\"0 0 860 %d\" width=\"100%%\" role=\"img\" aria-label=\"Ratios\">\n", height
    for (i = 1; i <= n; i++)
        bar(4 + (i - 1) * 24, f[i, 1], f[i, 5], f[i, 2])
    printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%d\"/></svg>\n", 220 + 560 / top, 220 + 560 / top, height
    print "<table><tr><th>load<th>unit<th>Posthaste<th>PostgreSQL 15<th>ratio<th>CPU &micro;s, Posthaste<th>CPU &micro;s, PostgreSQL</tr>"
    for (i = 1; i <= n; i++) {
        printf "<tr>"
        for (k = 1; k <= 7; k++)
            printf "<td>%s", escape(f[i, k])
        print "</tr>"
    }
    print "</table></html>"
}
