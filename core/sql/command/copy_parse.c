/*
 * COPY input: bytes from the client or a file, split into lines and fields.
 *
 * A line is kept whole in the buffer (error contexts show it) and decoded into a second one. Line ends may
 * be \n, \r\n or \r, but the same throughout. In text format a backslash protects a line end; in CSV a
 * quoted field may hold any.
 */
#include <errno.h>
#include <unistd.h>

#include "core/sql/command/copy.h"
#include "core/sql/command/copy_scan.h"

typedef enum Eol { EOL_UNKNOWN, EOL_NL, EOL_CR, EOL_CRNL } Eol;

struct CopyReader {
    CopyJob *j;
    Arena *arena;
    FILE *f;
    char *buf;
    size_t start, end, cap; /* unread bytes */
    bool eof, have_line;
    Eol eol;
    uint64_t line;
    size_t line_start, line_len;
    bool escapes;           /* the line has a backslash */
    char *decoded; size_t decoded_cap;
    CopyField *fields; int cap_fields;
};

CopyReader *
copy_reader_new(CopyJob *j)
{
    CopyReader *r = ARENA_NEW(j->c->arena, CopyReader);
    r->j = j;
    r->arena = j->c->arena;
    r->cap = 65536;
    r->buf = arena_alloc(r->arena, r->cap);
    if (j->file) {
        r->f = fopen(j->file, "r");
        if (r->f == NULL)
            RAISE_ERR(errno == ENOENT ? SQLSTATE_UNDEFINED_FILE : SQLSTATE_INSUFFICIENT_PRIVILEGE, err_message("could not open file \"%s\" for reading: %m", j->file),
                      err_hint("COPY FROM instructs the PostgreSQL server process to read a file. You may want a client-side facility such as psql's \\copy."));
    }
    return r;
}

void
copy_reader_close(CopyReader *r)
{
    if (r->f)
        fclose(r->f);
    r->f = NULL;
}

bool copy_reader_in_line(const CopyReader *r) { return r->have_line; }
uint64_t copy_reader_line_number(const CopyReader *r) { return r->line; }

const char *
copy_reader_line_text(const CopyReader *r, size_t *n)
{
    *n = r->line_len;
    return r->buf + r->line_start;
}

/* Room for n more bytes at the end, keeping everything from `keep`. */
static void
make_room(CopyReader *r, size_t keep, size_t n)
{
    if (r->end + n <= r->cap)
        return;
    size_t used = r->end - keep;
    if (used + n > r->cap) {
        size_t cap = r->cap;
        while (cap < used + n)
            cap *= 2;
        if (cap > MAX_VALUE_BYTES)
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "COPY line is too long");
        char *more = arena_alloc(r->arena, cap);
        memcpy(more, r->buf + keep, used);
        r->buf = more;
        r->cap = cap;
    } else
        memmove(r->buf, r->buf + keep, used);
    r->start -= keep;
    r->line_start = 0;
    r->end = used;
}

/* More bytes behind r->end; false at the end of input. The line in work begins at r->start. */
static bool
fill(CopyReader *r)
{
    if (r->eof)
        return false;
    if (r->f) {
        make_room(r, r->start, 65536);
        size_t n = fread(r->buf + r->end, 1, r->cap - r->end, r->f);
        if (n == 0 && ferror(r->f))
            RAISE(SQLSTATE_IO_ERROR, "could not read from COPY file: %m");
        r->end += n;
        r->eof = n == 0;
        return n > 0;
    }
    const char *data;
    size_t n;
    do {
        if (!session_hooks.copy->read(session_hooks.copy->arg, &data, &n)) {
            r->eof = true;
            return false;
        }
    } while (n == 0);
    make_room(r, r->start, n);
    memcpy(r->buf + r->end, data, n);
    r->end += n;
    return true;
}

void
copy_reader_skip_rest(CopyReader *r)
{
    if (r->f)
        return;
    const char *data;
    size_t n;
    while (!r->eof)
        if (!session_hooks.copy->read(session_hooks.copy->arg, &data, &n))
            r->eof = true;
}

bool
copy_reader_bytes(CopyReader *r, void *out, size_t n)
{
    while (r->end - r->start < n)
        if (!fill(r))
            return false;
    if (n) /* there may be no buffer yet */
        memcpy(out, r->buf + r->start, n);
    r->start += n;
    return true;
}

/* ---- lines ---- */

static NORETURN void
bad_eol(const CopyReader *r, bool newline)
{
    bool csv = r->j->o.format == COPY_CSV;
    RAISE_ERR(SQLSTATE_BAD_COPY_FILE_FORMAT,
              err_message(csv ? newline ? "unquoted newline found in data" : "unquoted carriage return found in data"
                              : newline ? "literal newline found in data" : "literal carriage return found in data"),
              err_hint(csv ? newline ? "Use quoted CSV field to represent newline." : "Use quoted CSV field to represent carriage return."
                           : newline ? "Use \"\\n\" to represent newline." : "Use \"\\r\" to represent carriage return."));
}

/* The length of the end of line at position p (a \n or \r), 0: it is data after all. */
static size_t
eol_at(CopyReader *r, size_t *p)
{
    char c = r->buf[*p];
    if (c == '\n') {
        if (r->eol == EOL_UNKNOWN)
            r->eol = EOL_NL;
        if (r->eol == EOL_CR || r->eol == EOL_CRNL)
            bad_eol(r, true);
        return 1;
    }
    if (r->eol == EOL_NL)
        bad_eol(r, false);
    if (r->eol == EOL_UNKNOWN || r->eol == EOL_CRNL) {
        while (*p + 1 >= r->end) {
            size_t off = *p - r->start;
            bool more = fill(r);
            *p = r->start + off;
            if (!more)
                break;
        }
        bool nl = *p + 1 < r->end && r->buf[*p + 1] == '\n';
        if (r->eol == EOL_CRNL && !nl)
            bad_eol(r, false);
        r->eol = nl ? EOL_CRNL : EOL_CR;
        return nl ? 2 : 1;
    }
    return 1;
}

static bool
is_end_marker(const CopyReader *r)
{
    return r->line_len == 2 && memcmp(r->buf + r->line_start, "\\.", 2) == 0;
}

static bool
finish_line(CopyReader *r, size_t at, size_t eol_len)
{
    r->line_start = r->start;
    r->line_len = at - r->start;
    r->start = at + eol_len;
    r->line++;
    if (is_end_marker(r)) {
        copy_reader_skip_rest(r);
        r->eof = true;
        r->start = r->end;
        return false;
    }
    return true;
}

static bool
text_line(CopyReader *r)
{
    size_t p = r->start;
    r->escapes = false;
    for (;;) {
        p += scan_three(r->buf + p, r->end - p, '\n', '\r', '\\');
        if (p >= r->end) {
            size_t off = p - r->start;
            if (!fill(r)) {
                if (r->start == r->end)
                    return false;
                return finish_line(r, r->end, 0);
            }
            p = r->start + off;
            continue;
        }
        if (r->buf[p] == '\\') { /* protects the next byte */
            r->escapes = true;
            size_t off = p - r->start;
            while (p + 1 >= r->end) {
                if (!fill(r))
                    break;
                p = r->start + off;
            }
            p += p + 1 < r->end ? 2 : 1;
            continue;
        }
        size_t n = eol_at(r, &p);
        return finish_line(r, p, n);
    }
}

static bool
csv_line(CopyReader *r)
{
    const CopyOptions *o = &r->j->o;
    size_t p = r->start;
    bool quoted = false, escaped = false;
    const char counted = r->eol == EOL_NL ? '\n' : '\r'; /* quoted line ends count as lines */
    for (;;) {
        if (p >= r->end) {
            size_t off = p - r->start;
            if (!fill(r)) {
                if (r->start == r->end)
                    return false;
                return finish_line(r, r->end, 0);
            }
            p = r->start + off;
            continue;
        }
        if (!escaped) { /* over what is plain data in either state */
            size_t left = r->end - p;
            p += quoted ? scan_three(r->buf + p, left, o->quote, o->escape, counted) : scan_three(r->buf + p, left, o->quote, '\n', '\r');
            if (p >= r->end)
                continue;
        }
        char c = r->buf[p];
        if (quoted) {
            r->line += c == counted;
            if (escaped)
                escaped = false;
            else if (c == o->escape && o->escape != o->quote)
                escaped = true;
            else if (c == o->quote)
                quoted = false;
        } else if (c == o->quote)
            quoted = true;
        else if (c == '\n' || c == '\r') {
            size_t n = eol_at(r, &p);
            return finish_line(r, p, n);
        }
        p++;
    }
}

/* ---- fields ---- */

static inline CopyField *
next_field(CopyReader *r, int *n)
{
    if (*n == r->cap_fields) {
        int cap = r->cap_fields ? r->cap_fields * 2 : 32;
        r->fields = arena_realloc(r->arena, r->fields, sizeof(CopyField) * (size_t)r->cap_fields, sizeof(CopyField) * (size_t)cap);
        r->cap_fields = cap;
    }
    CopyField *f = &r->fields[(*n)++];
    *f = (CopyField){0};
    return f;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One backslash escape at s (after the backslash); returns bytes used. */
static size_t
unescape(const char *s, const char *end, char *out)
{
    int v;
    size_t n = 1;
    switch (*s) {
    case 'b': *out = '\b'; return 1;
    case 'f': *out = '\f'; return 1;
    case 'n': *out = '\n'; return 1;
    case 'r': *out = '\r'; return 1;
    case 't': *out = '\t'; return 1;
    case 'v': *out = '\v'; return 1;
    case 'x':
        if (s + 1 >= end || hex_value(s[1]) < 0) {
            *out = 'x';
            return 1;
        }
        v = hex_value(s[1]);
        n = 2;
        if (s + 2 < end && hex_value(s[2]) >= 0) {
            v = v * 16 + hex_value(s[2]);
            n = 3;
        }
        *out = (char)v;
        return n;
    case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7':
        v = *s - '0';
        while (n < 3 && s + n < end && s[n] >= '0' && s[n] <= '7')
            v = v * 8 + (s[n++] - '0');
        *out = (char)v;
        return n;
    default: *out = *s; return 1;
    }
}

/* A line without escapes: copied whole, the delimiters becoming the ends of fields. */
static int
split_plain(CopyReader *r)
{
    const CopyOptions *o = &r->j->o;
    size_t len = r->line_len, at = 0, null_len = o->null_len;
    char *p = r->decoded;
    int n = 0;

    memcpy(p, r->buf + r->line_start, len);
    p[len] = '\0';
#if HAVE_SCAN16
    const Scan16 vd = scan_splat(o->delim);
    memset(p + len, 0, 16); /* the last step looks behind the end */
    for (size_t i = 0; i < len; i += 16)
        for (uint64_t m = scan_mask(scan_eq(scan_load(p + i), vd)); m; m &= m - 1) {
            size_t d = i + (size_t)__builtin_ctzll(m) / SCAN_BITS;
            CopyField *f = next_field(r, &n);
            p[d] = '\0';
            f->text = p + at;
            f->len = d - at;
            f->is_null = f->len == null_len && memcmp(f->text, o->null, null_len) == 0;
            at = d + 1;
        }
#else
    for (char *d; (d = memchr(p + at, o->delim, len - at)) != NULL;) {
        CopyField *f = next_field(r, &n);
        *d = '\0';
        f->text = p + at;
        f->len = (size_t)(d - f->text);
        f->is_null = f->len == null_len && memcmp(f->text, o->null, null_len) == 0;
        at = (size_t)(d - p) + 1;
    }
#endif
    CopyField *f = next_field(r, &n);
    f->text = p + at;
    f->len = len - at;
    f->is_null = f->len == null_len && memcmp(f->text, o->null, null_len) == 0;
    return n;
}

static int
split_text(CopyReader *r)
{
    const CopyOptions *o = &r->j->o;
    if (!r->escapes)
        return split_plain(r);
    const char *s = r->buf + r->line_start, *end = s + r->line_len;
    char *out = r->decoded;
    int n = 0;
    for (;;) {
        CopyField *f = next_field(r, &n);
        const char *raw = s;
        f->text = out;
        while (s < end && *s != o->delim) {
            if (*s == '\\' && s + 1 < end) {
                s++;
                s += unescape(s, end, out++);
            } else
                *out++ = *s++;
        }
        f->len = (size_t)(out - f->text);
        f->is_null = (size_t)(s - raw) == o->null_len && memcmp(raw, o->null, o->null_len) == 0;
        *out++ = '\0';
        if (s >= end)
            return n;
        s++;
    }
}

static int
split_csv(CopyReader *r)
{
    const CopyOptions *o = &r->j->o;
    const char *s = r->buf + r->line_start, *end = s + r->line_len;
    char *out = r->decoded;
    int n = 0;
    for (;;) {
        CopyField *f = next_field(r, &n);
        const char *raw = s;
        bool quoted = false;
        f->text = out;
        while (s < end) {
            if (!quoted) {
                if (*s == o->delim)
                    break;
                if (*s == o->quote) {
                    f->quoted = quoted = true;
                    s++;
                    continue;
                }
                *out++ = *s++;
                continue;
            }
            if (*s == o->escape && s + 1 < end && (s[1] == o->escape || s[1] == o->quote)) {
                *out++ = s[1];
                s += 2;
                continue;
            }
            if (*s == o->quote) {
                quoted = false;
                s++;
                continue;
            }
            *out++ = *s++;
        }
        if (quoted)
            RAISE(SQLSTATE_BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
        f->len = (size_t)(out - f->text);
        f->is_null = !f->quoted && (size_t)(s - raw) == o->null_len && memcmp(raw, o->null, o->null_len) == 0;
        *out++ = '\0';
        if (s >= end)
            return n;
        s++;
    }
}

bool
copy_reader_line(CopyReader *r, CopyField **fields, int *n)
{
    bool csv = r->j->o.format == COPY_CSV;
    r->have_line = false;
    if (!(csv ? csv_line(r) : text_line(r)))
        return false;
    r->have_line = true;
    size_t need = r->line_len * 2 + 64; /* every field adds a zero */
    if (need > r->decoded_cap) {
        r->decoded_cap = need * 2;
        r->decoded = arena_alloc(r->arena, r->decoded_cap);
    }
    size_t ok = utf8_valid_prefix(r->buf + r->line_start, r->line_len);
    if (ok < r->line_len)
        RAISE(SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x%02x", (unsigned char)r->buf[r->line_start + ok]);
    *n = !csv ? split_text(r) : memchr(r->buf + r->line_start, r->j->o.quote, r->line_len) ? split_csv(r) : split_plain(r);
    *fields = r->fields;
    return true;
}
