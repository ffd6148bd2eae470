/*
 * The unsigned identifiers: oid and the reg* types over it, xid, cid, xid8, the tuple address tid, and
 * "char". Their lanes are zero-extended.
 *
 * A tid is a by-value lane of 48 bits, block << 16 | offset, 8 bytes wide on the page: the executor
 * makes one for every row it may have to find again, and should not have to allocate for it.
 *
 * The reg* types print names, which only the catalog knows: it registers type_reg_in_hook and
 * type_reg_out_hook. Without them (or when the hook declines) they read and print numbers.
 */
#include "core/types/number.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/hash.h"

bool (*type_reg_in_hook)(FnCtx *c, Oid reg_type, const char *text, Oid *out);
bool (*type_reg_out_hook)(FnCtx *c, Oid reg_type, Oid value, StrBuf *s);

static int
uint_cmp(Datum a, Datum b, Oid collation)
{
    return (a > b) - (a < b);
}

static bool
uint_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
uint_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
uint_out(FnCtx *c, Datum d, StrBuf *s)
{
    char buf[24];
    str_add_bytes(s, buf, uint64_to_text(d, buf));
}

/*
 * PostgreSQL reads an oid with strtoul: -1 is 4294967295, and what fits 32 bits signed or unsigned is
 * accepted.
 */
Oid
oid_from_text(const char *text)
{
    const char *end;
    errno = 0;
    unsigned long v = strtoul(text, (char **)&end, 10);
    if ((errno != 0 && errno != ERANGE) || end == text)
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type oid: \"%s\"", text);
    if (errno == ERANGE)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value \"%s\" is out of range for type oid", text);
    while (*end == ' ' || (*end >= '\t' && *end <= '\r'))
        end++;
    if (*end != '\0')
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type oid: \"%s\"", text);
    if (v != (Oid)v && (long)v != (int32_t)v)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value \"%s\" is out of range for type oid", text);
    return (Oid)v;
}

static Datum
oid_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return oid_datum(oid_from_text(text));
}

/* xid and cid take whatever strtoul makes of the text, base prefix included; no syntax errors. */
static Datum
xid_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return (Datum)(uint32_t)strtoul(text, NULL, 0);
}

static Datum
xid8_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return (Datum)strtoull(text, NULL, 0);
}

static Datum
uint4_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 4);
    return load_be32(bytes);
}

static Datum
uint8_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 8);
    return load_be64(bytes);
}

static void
uint4_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[4];
    store_be32(b, (uint32_t)d);
    str_add_bytes(s, b, 4);
}

static void
uint8_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[8];
    store_be64(b, d);
    str_add_bytes(s, b, 8);
}

#define UINT_KEYS(name, width)                                                                       \
    static void name##_key_encode(Datum d, Oid collation, StrBuf *out) { key_put_uint(out, d, width); } \
    static Datum name##_key_decode(Arena *a, const char **p, const char *end)                        \
    {                                                                                                \
        return key_get_uint(p, width);                                                               \
    }                                                                                                \
    static const char *name##_key_skip(const char *p, const char *end) { return p + (width); }

UINT_KEYS(uint1, 1)
UINT_KEYS(uint4, 4)
UINT_KEYS(uint8, 8)

#define UINT_OPS(name, oid_, width, in_, out_, recv_, send_, keys)                                   \
    const TypeOps type_ops_##name = {                                                                \
        .oid = oid_,                                                                                 \
        .len = width,                                                                                \
        .byval = true,                                                                               \
        .in = in_,                                                                                   \
        .out = out_,                                                                                 \
        .recv = recv_,                                                                               \
        .send = send_,                                                                               \
        .cmp = uint_cmp,                                                                             \
        .eq = uint_eq,                                                                               \
        .hash = uint_hash,                                                                           \
        .key_encode = keys##_key_encode,                                                             \
        .key_decode = keys##_key_decode,                                                             \
        .key_skip = keys##_key_skip,                                                                 \
    };

UINT_OPS(oid, OID_OID, 4, oid_in, uint_out, uint4_recv, uint4_send, uint4)

/* xid and cid hash but have no order, as in PostgreSQL. */
#define UNORDERED_OPS(name, oid_)                                                                    \
    const TypeOps type_ops_##name = {                                                                \
        .oid = oid_,                                                                                 \
        .len = 4,                                                                                    \
        .byval = true,                                                                               \
        .in = xid_in,                                                                                \
        .out = uint_out,                                                                             \
        .recv = uint4_recv,                                                                          \
        .send = uint4_send,                                                                          \
        .eq = uint_eq,                                                                               \
        .hash = uint_hash,                                                                           \
    };

UNORDERED_OPS(xid, XID_OID)
UNORDERED_OPS(cid, CID_OID)
UINT_OPS(xid8, XID8_OID, 8, xid8_in, uint_out, uint8_recv, uint8_send, uint8)

/* ---- reg* ---- */

static Datum
reg_in(FnCtx *c, Oid type, const char *type_name, const char *text)
{
    Oid v;
    if (strcmp(text, "-") == 0)
        return 0;
    if (text[0] >= '0' && text[0] <= '9' && strspn(text, "0123456789") == strlen(text))
        return oid_datum(oid_from_text(text));
    if (type_reg_in_hook == NULL || !type_reg_in_hook(c, type, text, &v))
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s: \"%s\"", type_name, text);
    return oid_datum(v);
}

static void
reg_out(FnCtx *c, Oid type, Datum d, StrBuf *s)
{
    if (datum_oid(d) == 0)
        str_add_char(s, '-');
    else if (type_reg_out_hook == NULL || !type_reg_out_hook(c, type, datum_oid(d), s))
        uint_out(c, d, s);
}

#define REG_OPS(name, oid_)                                                                          \
    static Datum name##_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)         \
    {                                                                                                \
        return reg_in(c, oid_, #name, text);                                                         \
    }                                                                                                \
    static void name##_out(FnCtx *c, Datum d, StrBuf *s) { reg_out(c, oid_, d, s); }                 \
    UINT_OPS(name, oid_, 4, name##_in, name##_out, uint4_recv, uint4_send, uint4)

REG_OPS(regproc, REGPROC_OID)
REG_OPS(regprocedure, REGPROCEDURE_OID)
REG_OPS(regoper, REGOPER_OID)
REG_OPS(regoperator, REGOPERATOR_OID)
REG_OPS(regclass, REGCLASS_OID)
REG_OPS(regcollation, REGCOLLATION_OID)
REG_OPS(regtype, REGTYPE_OID)
REG_OPS(regrole, REGROLE_OID)
REG_OPS(regnamespace, REGNAMESPACE_OID)
REG_OPS(regconfig, REGCONFIG_OID)
REG_OPS(regdictionary, REGDICTIONARY_OID)

/* ---- tid ---- */

static Datum
tid_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    const char *block_at = text + 1, *end;
    if (text[0] != '(')
        goto bad;
    errno = 0;
    unsigned long block = strtoul(block_at, (char **)&end, 10);
    if (errno != 0 || *end != ',')
        goto bad;
    /* Like oid: values that are negative ints wrap. */
    if (block != (uint32_t)block && (long)block != (int32_t)block)
        goto bad;
    const char *off_at = end + 1;
    unsigned long off = strtoul(off_at, (char **)&end, 10);
    if (errno != 0 || *end != ')' || off > UINT16_MAX)
        goto bad;
    return tid_datum((BlockNo)block, (OffsetNo)off);
bad:
    RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type tid: \"%s\"", text);
}

static void
tid_out(FnCtx *c, Datum d, StrBuf *s)
{
    char buf[40];
    size_t n = 0;
    buf[n++] = '(';
    n += uint64_to_text(datum_tid_block(d), buf + n);
    buf[n++] = ',';
    n += uint64_to_text(datum_tid_offset(d), buf + n);
    buf[n++] = ')';
    str_add_bytes(s, buf, n);
}

static Datum
tid_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 6);
    return tid_datum(load_be32(bytes), load_be16(bytes + 4));
}

static void
tid_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[6];
    store_be32(b, datum_tid_block(d));
    store_be16(b + 4, datum_tid_offset(d));
    str_add_bytes(s, b, 6);
}

UINT_OPS(tid, TID_OID, 8, tid_in, tid_out, tid_recv, tid_send, uint8)

/* ---- "char" ---- */

/* One byte; high ones are written \ooo, as PostgreSQL 15 takes and gives them. */
static Datum
char_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len == 4 && p[0] == '\\' && (p[1] & ~7) == '0' && (p[2] & ~7) == '0' && (p[3] & ~7) == '0')
        return (uint8_t)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
    return p[0];
}

static void
char_out(FnCtx *c, Datum d, StrBuf *s)
{
    if (d == 0)
        return;
    if (d < 0x80)
        str_add_char(s, (char)d);
    else
        str_printf(s, "\\%o", (unsigned)d);
}

static Datum
char_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 1);
    return (unsigned char)*bytes;
}

static void
char_send(FnCtx *c, Datum d, StrBuf *s)
{
    str_add_char(s, (char)d);
}

UINT_OPS(char, CHAR_OID, 1, char_in, char_out, char_recv, char_send, uint1)

/* ---- casts and functions ---- */

/* "char" is signed as a number. */
Datum
fn_int4_from_char(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int8_t)args[0]);
}

Datum
fn_char_from_int4(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t v = datum_int32(args[0]);
    if (v < INT8_MIN || v > INT8_MAX)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range");
    return (uint8_t)v;
}

/* char(text) and text("char"): the first byte and back. */
Datum
fn_char_from_text(FnCtx *c, const Datum *args, bool *isnull)
{
    char buf[8];
    uint32_t n = MIN(var_len(args[0]), 5u);
    memcpy(buf, var_data(args[0]), n);
    buf[n] = '\0';
    return char_in(c, buf, n, 0, -1);
}

Datum
fn_text_from_char(FnCtx *c, const Datum *args, bool *isnull)
{
    StrBuf s;
    str_init(&s, c->arena);
    char_out(c, args[0], &s);
    return var_make(c->arena, s.data, s.len);
}

Datum
fn_oid_from_int8(FnCtx *c, const Datum *args, bool *isnull)
{
    int64_t v = datum_int64(args[0]);
    if (v < 0 || v > (int64_t)UINT32_MAX)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "OID out of range");
    return oid_datum((Oid)v);
}

/* oid to int8: the lane already is the number. */
Datum
fn_int8_from_oid(FnCtx *c, const Datum *args, bool *isnull)
{
    return args[0];
}

Datum
fn_xid_from_xid8(FnCtx *c, const Datum *args, bool *isnull)
{
    return (uint32_t)args[0];
}

/* xid against an int4: the low 32 bits decide. */
Datum
fn_xid_eq_int4(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum((uint32_t)args[0] == (uint32_t)args[1]);
}

Datum
fn_xid_ne_int4(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum((uint32_t)args[0] != (uint32_t)args[1]);
}
