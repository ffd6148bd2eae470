/*
 * The functions behind pg_type's typinput, typoutput, typreceive and typsend, and the pseudo-types.
 *
 * One scalar function serves every type's input, one every type's output, and so on: which type is
 * meant follows from the call's result or argument type. A cstring is a value like text, so that it can be
 * selected, sorted and copied as any other; an "internal" one given to a receive function points at a StrBuf
 * with the bytes.
 */
#include "core/types/number.h"

#include "core/types/ops_list.h"

static const TypeOps *
ops_of(Oid type)
{
    const TypeOps *ops = type_ops(type);
    if (ops == NULL)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "cache lookup failed for type %u", type);
    return ops;
}

const char *
type_name_of(FnCtx *c, Oid type)
{
    StrBuf s;
    str_init(&s, c->arena);
    if (type_reg_out_hook == NULL || !type_reg_out_hook(c, REGTYPE_OID, type, &s))
        str_add(&s, "???");
    return s.data;
}

/* xin(cstring [, typioparam oid, typmod int4]) */
Datum
fn_type_in(FnCtx *c, const Datum *args, bool *isnull)
{
    const char *text = var_to_cstring(c->arena, args[0]); /* input functions want its zero */
    Oid elem = c->nargs > 1 ? datum_oid(args[1]) : 0;
    int32_t typmod = c->nargs > 2 ? datum_int32(args[2]) : -1;
    const TypeOps *ops = ops_of(c->ret_type);
    if (ops->in == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no input function available for type %s", type_name_of(c, c->ret_type));
    return ops->in(c, text, var_len(args[0]), elem, typmod);
}

/* xout(x) -> cstring */
Datum
fn_type_out(FnCtx *c, const Datum *args, bool *isnull)
{
    const TypeOps *ops = ops_of(c->arg_types[0]);
    if (ops->out == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no output function available for type %s", type_name_of(c, c->arg_types[0]));
    StrBuf s;
    str_init(&s, c->arena);
    ops->out(c, args[0], &s);
    return var_make(c->arena, s.data, s.len);
}

/* xrecv(internal [, typioparam oid, typmod int4]) */
Datum
fn_type_recv(FnCtx *c, const Datum *args, bool *isnull)
{
    const StrBuf *bytes = (const StrBuf *)datum_ptr(args[0]);
    Oid elem = c->nargs > 1 ? datum_oid(args[1]) : 0;
    int32_t typmod = c->nargs > 2 ? datum_int32(args[2]) : -1;
    const TypeOps *ops = ops_of(c->ret_type);
    if (ops->recv == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary input function available for type %s", type_name_of(c, c->ret_type));
    return ops->recv(c, bytes->data, bytes->len, elem, typmod);
}

/* xsend(x) -> bytea */
Datum
fn_type_send(FnCtx *c, const Datum *args, bool *isnull)
{
    const TypeOps *ops = ops_of(c->arg_types[0]);
    if (ops->send == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary output function available for type %s", type_name_of(c, c->arg_types[0]));
    StrBuf s;
    str_init(&s, c->arena);
    ops->send(c, args[0], &s);
    return var_make(c->arena, s.data, s.len);
}

/* The type whose modifier functions these are; they have no argument of the type to tell it. */
static Oid
typmod_fn_type(Oid fn)
{
    switch (fn) {
    case 2903: case 2904: return INTERVAL_OID;
    case 2905: case 2906: return TIMESTAMP_OID;
    case 2907: case 2908: return TIMESTAMPTZ_OID;
    case 2909: case 2910: return TIME_OID;
    case 2911: case 2912: return TIMETZ_OID;
    case 2913: case 2914: return BPCHAR_OID;
    case 2915: case 2916: return VARCHAR_OID;
    case 2917: case 2918: return NUMERIC_OID;
    case 2919: case 2920: return BIT_OID;
    case 2902: case 2921: return VARBIT_OID;
    default: INTERNAL_ERROR("function %u is no type modifier function", fn);
    }
}

/* xtypmodin(cstring[]) -> int4 */
Datum
fn_typmod_in(FnCtx *c, const Datum *args, bool *isnull)
{
    Datum *values;
    bool *nulls;
    int n;
    array_deconstruct(c->arena, args[0], &values, &nulls, &n);
    const char **mods = arena_alloc(c->arena, sizeof(char *) * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        if (nulls[i])
            RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "typmod array must not contain nulls");
        mods[i] = var_to_cstring(c->arena, values[i]);
    }
    return int32_datum(ops_of(typmod_fn_type(c->fn_oid))->typmod_in(c, mods, n));
}

/* xtypmodout(int4) -> cstring */
Datum
fn_typmod_out(FnCtx *c, const Datum *args, bool *isnull)
{
    StrBuf s;
    str_init(&s, c->arena);
    ops_of(typmod_fn_type(c->fn_oid))->typmod_out(datum_int32(args[0]), &s);
    return var_make(c->arena, s.data, s.len);
}

/* ---- pseudo-types ---- */

static Datum
void_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return 0;
}

static void
void_out(FnCtx *c, Datum d, StrBuf *s)
{
}

const TypeOps type_ops_void = {
    .oid = VOID_OID,
    .len = 4,
    .byval = true,
    .in = void_in,
    .out = void_out,
    .recv = void_in,
    .send = void_out,
};

/* Types that only describe arguments: no value of theirs is ever read or printed. */
#define PSEUDO(name, oid_, len_)                                                                     \
    NORETURN static Datum name##_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod) \
    {                                                                                                \
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot accept a value of type %s", #name);            \
    }                                                                                                \
    NORETURN static void name##_out(FnCtx *c, Datum d, StrBuf *s)                                    \
    {                                                                                                \
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot display a value of type %s", #name);           \
    }                                                                                                \
    const TypeOps type_ops_##name = {                                                                \
        .oid = oid_, .len = len_, .byval = true, .in = name##_in, .out = name##_out};

PSEUDO(internal, INTERNAL_OID, 8)
PSEUDO(any, ANY_OID, 4)
PSEUDO(anyelement, ANYELEMENT_OID, 4)
PSEUDO(anynonarray, ANYNONARRAY_OID, 4)
PSEUDO(anyenum, ANYENUM_OID, 4)
PSEUDO(anycompatible, ANYCOMPATIBLE_OID, 4)
PSEUDO(anycompatiblenonarray, ANYCOMPATIBLENONARRAY_OID, 4)
PSEUDO(trigger, TRIGGER_OID, 4)
PSEUDO(language_handler, LANGUAGE_HANDLER_OID, 4)
PSEUDO(index_am_handler, INDEX_AM_HANDLER_OID, 4)
PSEUDO(table_am_handler, TABLE_AM_HANDLER_OID, 4)
PSEUDO(tsm_handler, TSM_HANDLER_OID, 4)
PSEUDO(fdw_handler, FDW_HANDLER_OID, 4)
