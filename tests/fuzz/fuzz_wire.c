/*
 * The protocol: startup packets, sequences of frames, values of every type in both forms, COPY data; sound ones,
 * mutated. The client then ends its side: whatever it sent, the server must end its own in time.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER "fuzz"
#define DATABASE "fuzz"

/* bool bytea char name int8 int2 int4 text oid tid xid float4 float8 ... numeric uuid, arrays, ranges, pseudo-types, nonsense */
static const uint32_t type_oids[] = {
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 114, 142, 600, 601, 602, 603, 604, 628, 650, 700, 701, 705, 718, 774, 790, 829, 869,
    1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185, 1186, 1187,
    1231, 1266, 1560, 1562, 1700, 2202, 2205, 2206, 2249, 2275, 2276, 2277, 2278, 2281, 2283, 2950, 2951, 3220, 3614, 3802, 3904, 3905, 3906, 5069, 0,
    99999, 4294967295u};

static const char *const texts[] = {
    "0", "1", "-1", "t", "a", "", " 12 ", "1.5", "1e10", "NaN", "Infinity", "-0", "2147483648", "99999999999999999999999999", "{1,2,3}", "{\"a\",NULL}",
    "{{1},{2}}", "[2:3]={4,5}", "2024-02-29", "2024-02-29 23:59:60.999999+14", "infinity", "-infinity", "0001-01-01 BC", "P1Y2M3DT4H5M6S", "1 day -1 sec",
    "@ 5 mons ago", "04:05:06.789 PM", "allballs", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\\x00ff", "\\\\000", "(0,1)", "int4", "pg_class", "now",
    "24:00:00-15:59", "1:1", "'", "\xc3\xa9", "[1,5)", "empty", "101", "192.168.0.1/24", "{\"a\": [1, {}]}",
};

static void
mutated_text(Rng *r, Buf *b)
{
    Buf t = {0};
    buf_text(&t, texts[rng_below(r, COUNT_OF(texts))]);
    if (rng_percent(r, 60))
        bytes_mutate(r, &t);
    if (rng_percent(r, 3))
        for (int n = rng_below(r, 2000); n > 0; n--)
            buf_text(&t, texts[rng_below(r, COUNT_OF(texts))]);
    buf_bytes(b, t.data, t.len);
    buf_free(&t);
}

/* Binary values: a few that are sound for some type, and random ones. */
static void
binary_value(Rng *r, Buf *b)
{
    size_t start = b->len;
    switch (rng_below(r, 8)) {
    case 0: buf_byte(b, rng_below(r, 3)); break;
    case 1: buf_int16(b, (int)rng_next(r)); break;
    case 2: buf_int32(b, (uint32_t)rng_next(r)); break;
    case 3: buf_int32(b, (uint32_t)rng_next(r)), buf_int32(b, (uint32_t)rng_next(r)); break;
    case 4: /* numeric */
        buf_int16(b, 2), buf_int16(b, rng_below(r, 3)), buf_int16(b, rng_percent(r, 50) ? 0x4000 : 0), buf_int16(b, 4);
        buf_int16(b, 1234), buf_int16(b, 5678);
        break;
    case 5: { /* array of int4, or of whatever */
        int n = rng_below(r, 4);
        buf_int32(b, 1), buf_int32(b, 0), buf_int32(b, rng_percent(r, 70) ? 23 : type_oids[rng_below(r, COUNT_OF(type_oids))]);
        buf_int32(b, (uint32_t)n), buf_int32(b, 1);
        for (int i = 0; i < n; i++)
            buf_int32(b, 4), buf_int32(b, (uint32_t)rng_next(r));
        break;
    }
    case 6: mutated_text(r, b); break;
    default: /* interval, uuid */
        for (int i = 0; i < 4; i++)
            buf_int32(b, (uint32_t)rng_next(r));
    }
    if (rng_percent(r, 30)) {
        Buf part = {0};
        buf_bytes(&part, b->data + start, b->len - start);
        bytes_mutate(r, &part);
        b->len = start;
        buf_bytes(b, part.data, part.len);
        buf_free(&part);
    }
}

static void
add_parse(Frames *f, const char *name, const char *sql, const uint32_t *types, int n)
{
    Buf *b = frame_begin(f, 'P');
    buf_string(b, name);
    buf_string(b, sql);
    buf_int16(b, n);
    for (int i = 0; i < n; i++)
        buf_int32(b, types[i]);
    frame_end(b);
}

static void
add_bind(Rng *r, Frames *f, const char *portal, const char *name, int n)
{
    Buf *b = frame_begin(f, 'B');
    buf_string(b, portal);
    buf_string(b, name);
    bool binary[4];
    buf_int16(b, n);
    for (int i = 0; i < n; i++)
        buf_int16(b, binary[i] = rng_percent(r, 60));
    buf_int16(b, n);
    for (int i = 0; i < n; i++) {
        Buf v = {0};
        if (binary[i])
            binary_value(r, &v);
        else
            mutated_text(r, &v);
        bool null = rng_percent(r, 5);
        buf_int32(b, null ? UINT32_MAX : (uint32_t)v.len);
        if (!null)
            buf_bytes(b, v.data, v.len);
        buf_free(&v);
    }
    buf_int16(b, 1);
    buf_int16(b, rng_percent(r, 50));
    frame_end(b);
}

static void
add_named(Frames *f, char type, int kind, const char *name)
{
    Buf *b = frame_begin(f, type);
    if (kind)
        buf_byte(b, kind);
    buf_string(b, name);
    if (type == 'E')
        buf_int32(b, 0);
    frame_end(b);
}

static void
add_plain(Frames *f, char type, const char *body)
{
    Buf *b = frame_begin(f, type);
    if (body)
        buf_string(b, body);
    frame_end(b);
}

/* Logs in and sends all of it at once; both sides then end. */
static const char *
run_frames(Rng *r, Frames *f)
{
    Client c;
    Buf all = {0};
    if (!client_open(&c))
        return "no connection";
    startup_packet(&all, USER, DATABASE);
    for (int i = 0; i < f->count; i++)
        buf_bytes(&all, f->list[i].data, f->list[i].len);
    Ending e = client_send(&c, &all, true, r, hang_s);
    client_close(&c);
    buf_free(&all);
    frames_free(f);
    return ending_name(e);
}

/* ---- iterations ---- */

const char *
fuzz_startup(Rng *r)
{
    Client c;
    Buf b = {0};
    if (!client_open(&c))
        return "no connection";
    switch (rng_below(r, 4)) {
    case 0: buf_int32(&b, 8), buf_int32(&b, 80877103); break; /* SSLRequest */
    case 1: buf_int32(&b, 16), buf_int32(&b, 80877102), buf_int32(&b, (uint32_t)rng_next(r)), buf_int32(&b, (uint32_t)rng_next(r)); break; /* cancel */
    default: startup_packet(&b, USER, DATABASE);
    }
    bytes_mutate(r, &b);
    if (rng_percent(r, 30))
        bytes_mutate(r, &b);
    /* One-byte answers to SSLRequest are no frames: only hanging counts here. */
    Ending e = client_send(&c, &b, true, r, hang_s);
    client_close(&c);
    buf_free(&b);
    return e == END_HUNG ? ending_name(e) : NULL;
}

static void
add_some_sql(Rng *r, Frames *f)
{
    static const char *const sql[] = {
        "SELECT 1", "SELECT g, repeat('x', g) FROM generate_series(1, 50) g", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "SELECT 1/0", "",
        "CREATE TEMP TABLE w (a int, b text)", "INSERT INTO w VALUES (1, 'x')", "COPY w FROM STDIN", "COPY w TO STDOUT", "DECLARE c CURSOR FOR SELECT * FROM pg_class",
        "FETCH 3 FROM c", "DISCARD ALL", "DEALLOCATE ALL", "LISTEN x; NOTIFY x, 'y'", "SELECT 1; SELECT 2; SELEC", "SET client_encoding = 'SQL_ASCII'", "VACUUM", "SELECT * FROM w"};
    int file = rng_below(r, corpus_files());
    const char *text = rng_percent(r, 60) ? sql[rng_below(r, COUNT_OF(sql))] : corpus_statement(file, rng_below(r, corpus_statements(file)));
    if (rng_percent(r, 50)) {
        add_plain(f, 'Q', text);
        return;
    }
    const char *name = rng_percent(r, 50) ? "" : "st", *portal = rng_percent(r, 70) ? "" : "po";
    add_parse(f, name, text, NULL, 0);
    if (rng_percent(r, 50))
        add_named(f, 'D', 'S', name);
    add_bind(r, f, portal, name, 0);
    if (rng_percent(r, 50))
        add_named(f, 'D', 'P', portal);
    add_named(f, 'E', 0, portal);
    if (rng_percent(r, 20))
        add_named(f, 'E', 0, portal);
    if (rng_percent(r, 30))
        add_named(f, 'C', rng_percent(r, 50) ? 'S' : 'P', rng_percent(r, 50) ? name : portal);
    if (rng_percent(r, 70))
        add_plain(f, 'S', NULL);
}

const char *
fuzz_frames(Rng *r)
{
    Frames f = {0};
    for (int n = 1 + rng_below(r, 8); n > 0; n--) {
        switch (rng_below(r, 8)) {
        case 0: add_plain(&f, "HSdcfXp!"[rng_below(r, 8)], rng_percent(r, 50) ? "1\tx\n" : NULL); break;
        case 1: { /* a call of a function by number */
            Buf *b = frame_begin(&f, 'F');
            buf_int32(b, (uint32_t)rng_below(r, 4000));
            buf_int16(b, 1), buf_int16(b, rng_below(r, 2)), buf_int16(b, 1), buf_int32(b, 4), buf_int32(b, (uint32_t)rng_next(r)), buf_int16(b, rng_below(r, 2));
            frame_end(b);
            break;
        }
        default: add_some_sql(r, &f);
        }
    }
    frames_mutate(r, &f);
    return run_frames(r, &f);
}

const char *
fuzz_values(Rng *r)
{
    static const char *const sql[] = {
        "SELECT $1", "SELECT $1, $1::text", "SELECT ARRAY[$1, NULL, $1]", "SELECT $1 = $2, $1 < $2", "SELECT DISTINCT x FROM (VALUES ($1), ($2), (NULL)) v (x) ORDER BY 1 DESC",
        "SELECT count(*), min(x), max(x) FROM (VALUES ($1), ($2)) v (x) GROUP BY x", "SELECT $1 || $2", "SELECT $1 + $2", "SELECT $1 - $2", "SELECT $1 * $2", "SELECT $1 / $2",
        "SELECT hashtext($1::text), md5($1::text), length($1::text)", "SELECT $1 ~ $2", "SELECT to_char($1, $2)", "SELECT $1::text::int", "SELECT ($1)[1], ($1)[1:2]",
        "SELECT array_to_string($1, ','), cardinality($1)", "SELECT substring($1 from 2 for 3), overlay($1 placing $2 from 2)", "SELECT round($1, 2), trunc($1)", "SELECT date_trunc('month', $1), extract(epoch from $1)"};
    Frames f = {0};
    for (int n = 1 + rng_below(r, 6); n > 0; n--) {
        uint32_t types[2] = {type_oids[rng_below(r, COUNT_OF(type_oids))]};
        types[1] = rng_percent(r, 60) ? types[0] : type_oids[rng_below(r, COUNT_OF(type_oids))];
        const char *text = sql[rng_below(r, COUNT_OF(sql))];
        int params = strstr(text, "$2") ? 2 : 1;
        add_parse(&f, "", text, types, params);
        add_bind(r, &f, "", "", params);
        add_named(&f, 'D', 'P', "");
        add_named(&f, 'E', 0, "");
        add_plain(&f, 'S', NULL);
    }
    return run_frames(r, &f);
}

const char *
fuzz_copy(Rng *r)
{
    static const char *const options[] = {
        "", "(FORMAT csv)", "(FORMAT csv, HEADER)", "(FORMAT csv, QUOTE '\"', ESCAPE '\\', NULL 'x')", "(FORMAT csv, DELIMITER ';', FORCE_NOT_NULL (b))",
        "(DELIMITER '|', NULL '')", "(FORMAT binary)", "(FORMAT csv, HEADER match)", "(FORMAT csv, FORCE_NULL (b))", "(ENCODING 'LATIN1')"};
    static const char *const lines[] = {"1\tabc\t1.5\t2024-01-01\t\\\\x00\t{1,2}\n", "1,abc,1.5,2024-01-01,\\x00,\"{1,2}\"\r\n", "\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n",
                                        "1,\"a\"\"b\nc\",,,,\n", "a,b,c,d,e,f\n", "1|x||||\n", "1;x;;;;\n", "\\.\n", "1\t\\x41\\101\\b\\\n\t\t\t\t\n", "\n"};
    Frames f = {0};
    char sql[256];
    int option = rng_below(r, COUNT_OF(options));
    add_plain(&f, 'Q', "CREATE TEMP TABLE fc (a int, b text, c numeric, d date, e bytea, f int[])");
    snprintf(sql, sizeof sql, "COPY fc FROM STDIN %s", options[option]);
    add_plain(&f, 'Q', sql);
    Buf data = {0};
    if (option == 6) {
        buf_bytes(&data, "PGCOPY\n\377\r\n\0", 11);
        buf_int32(&data, 0), buf_int32(&data, 0);
        for (int n = rng_below(r, 4); n > 0; n--) {
            buf_int16(&data, 6), buf_int32(&data, 4), buf_int32(&data, 7), buf_int32(&data, 1), buf_byte(&data, 'x');
            buf_int32(&data, 10), buf_int16(&data, 1), buf_int16(&data, 0), buf_int16(&data, 0), buf_int16(&data, 0), buf_int16(&data, 5);
            buf_int32(&data, 4), buf_int32(&data, 100), buf_int32(&data, UINT32_MAX), buf_int32(&data, 12), buf_int32(&data, 0), buf_int32(&data, 0), buf_int32(&data, 23);
        }
        buf_int16(&data, -1);
    } else
        for (int n = rng_below(r, 8); n > 0; n--)
            buf_text(&data, lines[rng_below(r, COUNT_OF(lines))]);
    if (rng_percent(r, 80))
        bytes_mutate(r, &data);
    for (size_t at = 0; at < data.len;) { /* rows do not care where messages end */
        size_t n = 1 + (size_t)rng_below(r, 40);
        Buf *b = frame_begin(&f, 'd');
        buf_bytes(b, data.data + at, n < data.len - at ? n : data.len - at);
        frame_end(b);
        at += n;
    }
    buf_free(&data);
    add_plain(&f, rng_percent(r, 90) ? 'c' : 'f', NULL);
    snprintf(sql, sizeof sql, "COPY fc TO STDOUT %s", options[option]);
    add_plain(&f, 'Q', sql);
    if (rng_percent(r, 20))
        frames_mutate(r, &f);
    return run_frames(r, &f);
}
