# count.awk: counts the SQL statements and the psql commands of a file: "STATEMENTS COMMANDS".
# Follows psql's own lexer as far as the corpus needs: quotes, dollar quotes, comments,
# parentheses, and the data lines of COPY FROM STDIN.
BEGIN { state = ""; statements = 0; commands = 0; depth = 0; text = "" }
copying { if ($0 == "\\.") copying = 0; next }
{
    line = $0
    if (state == "" && text ~ /^[ \t]*$/ && line ~ /^[ \t]*\\/) { commands++; next }
    n = length(line)
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (state == "'" || state == "\"") {
            if (state == "'" && escaped && c == "\\") i++
            else if (c == state) state = ""
        } else if (state == "$") {
            if (substr(line, i, length(tag)) == tag) { i += length(tag) - 1; state = "" }
        } else if (state == "/*") {
            if (two == "*/") { state = ""; i++ }
        } else if (two == "--") {
            break
        } else if (two == "/*") {
            state = "/*"; i++
        } else if (c == "'" || c == "\"") {
            escaped = (i > 1 && tolower(substr(line, i - 1, 1)) == "e")
            state = c
            text = text c
        } else if (c == "$" && match(substr(line, i), /^\$[A-Za-z_]*\$/)) {
            tag = substr(line, i, RLENGTH)
            i += RLENGTH - 1
            state = "$"
            text = text "$"
        } else if (c == "\\" && depth == 0) {
            # \gset, \gexec and the like end a statement as a semicolon does
            if (text !~ /^[ \t]*$/) statements++
            commands++
            text = ""
            break
        } else if (c == ";" && depth == 0) {
            if (text !~ /^[ \t]*$/) statements++
            if (tolower(text) ~ /^[ \t]*copy[ \t].*from stdin/) copying = 1
            text = ""
        } else {
            if (c == "(") depth++
            if (c == ")" && depth > 0) depth--
            text = text c
        }
    }
    if (state == "") text = text " "
}
END { print statements, commands }
