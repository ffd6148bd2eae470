/*
 * Calling functions of core/catalog/fn_datetime.def by OID, and the types' inputs and outputs, with
 * everything as text, for the tests of the date and time types.
 */
#ifndef TESTS_TYPES_DATETIME_UTIL_H
#define TESTS_TYPES_DATETIME_UTIL_H

#include <stdio.h>
#include <stdlib.h>

#include "core/base/settings.h"
#include "core/types/datetime.h"
#include "core/types/number.h"

#define FN(oid, name, ret, args, flags, scalar)                                                    \
    Datum scalar(FnCtx *c, const Datum *args_, bool *isnull);
#define FNB(oid, name, ret, args, flags, scalar, batch)                                            \
    Datum scalar(FnCtx *c, const Datum *args_, bool *isnull);                                      \
    int batch(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args_, Vec *out);
#define SRF(oid, name, ret, args, outs, flags, set)                                                \
    bool set(FnCtx *c, const Datum *args_, Datum *out, bool *outnull);
#define AGG(oid, name, ret, args, flags, agg) extern const AggImpl agg;
#include "core/catalog/fn_datetime.def"
#undef FN
#undef FNB
#undef SRF
#undef AGG

static const FnDef datetime_fns[] = {
#define FN(o, n, r, a, f, s) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .scalar = s},
#define FNB(o, n, r, a, f, s, b)                                                                   \
    {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .scalar = s, .batch = b},
#define SRF(o, n, r, a, u, f, s)                                                                   \
    {.oid = o,                                                                                     \
     .name = #n,                                                                                   \
     .ret = r,                                                                                     \
     .args = a,                                                                                    \
     .outs = u,                                                                                    \
     .flags = f,                                                                                   \
     .kind = FNKIND_SET,                                                                           \
     .set = s},
#define AGG(o, n, r, a, f, g)                                                                      \
    {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .kind = FNKIND_AGG, .agg = &g},
#include "core/catalog/fn_datetime.def"
#undef FN
#undef FNB
#undef SRF
#undef AGG
};

#define CALL_ARGS_MAX 8

static inline const FnDef *
datetime_fn(Oid oid)
{
    for (size_t i = 0; i < COUNT_OF(datetime_fns); i++)
        if (datetime_fns[i].oid == oid)
            return &datetime_fns[i];
    fprintf(stderr, "no function %u\n", oid);
    abort();
}

static inline Oid
datetime_type(const char *name, size_t len)
{
    static const struct { const char *name; Oid oid;
    } types[] = {{"bool", BOOL_OID},
                 {"int4", INT4_OID},
                 {"int8", INT8_OID},
                 {"float4", FLOAT4_OID},
                 {"float8", FLOAT8_OID},
                 {"numeric", NUMERIC_OID},
                 {"text", TEXT_OID},
                 {"void", VOID_OID},
                 {"date", DATE_OID},
                 {"time", TIME_OID},
                 {"timetz", TIMETZ_OID},
                 {"timestamp", TIMESTAMP_OID},
                 {"timestamptz", TIMESTAMPTZ_OID},
                 {"interval", INTERVAL_OID}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strlen(types[i].name) == len && memcmp(types[i].name, name, len) == 0)
            return types[i].oid;
    fprintf(stderr, "no type %.*s\n", (int)len, name);
    abort();
}

/* Settings as a session has them; the wall clock stands still. */
static inline TimestampTz
test_now(void)
{
    return INT64_C(657032400123456); /* 2020-10-26 13:00:00.123456 UTC */
}

static inline void
datetime_test_init(void)
{
    float_format_init();
    types_number_settings_register();
    types_datetime_settings_register();
    settings_boot();
    types_xact_start_time = types_statement_start_time = test_now;
}

static inline void
set_setting(const char *name, const char *value)
{
    settings_set(name, value, CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
}

/* The text an error is compared by: "!22008 date out of range | detail | hint". */
static inline char *
error_text(Arena *a)
{
    const ErrReport *r = err_current();
    char *s = arena_printf(a, "!%s %s%s%s%s%s", sqlstate_text(r->sqlstate), r->message,
                           r->detail ? " | " : "", r->detail ? r->detail : "", r->hint ? " | " : "",
                           r->hint ? r->hint : "");
    err_clear();
    return s;
}

static inline const char *
eval_input(Arena *a, const char *type, int32_t typmod, const char *text, bool binary)
{
    const TypeOps *t = type_ops(datetime_type(type, strlen(type)));
    FnCtx c = {.arena = a, .state_arena = a, .ret_typmod = typmod};
    StrBuf s;
    str_init(&s, a);
    ERR_TRY
    {
        Datum d = t->in(&c, text, strlen(text), 0, typmod);
        if (!binary)
            t->out(&c, d, &s);
        else {
            StrBuf b;
            str_init(&b, a);
            t->send(&c, d, &b);
            for (size_t i = 0; i < b.len; i++)
                str_printf(&s, "%02x", (unsigned char)b.data[i]);
        }
    }
    ERR_CATCH
    {
        return error_text(a);
    }
    ERR_END;
    return s.data ? s.data : "";
}

static inline void
eval_set(FnCtx *c, const FnDef *fn, const Datum *args, const TypeOps *ret, StrBuf *s)
{
    Datum d;
    bool isnull;
    while (fn->set(c, args, &d, &isnull)) {
        ret->out(c, d, s);
        str_add_char(s, ',');
    }
}

/* args end with NULL; "\N" is null. */
static inline const char *
eval_call(Arena *a, Oid oid, const char *const *args)
{
    const FnDef *fn = datetime_fn(oid);
    Datum values[CALL_ARGS_MAX];
    bool nulls[CALL_ARGS_MAX] = {false}, any_null = false;
    Oid types[CALL_ARGS_MAX];
    FnCtx c = {.arena = a,
               .state_arena = a,
               .argnull = nulls,
               .fn_oid = oid,
               .arg_types = types,
               .ret_typmod = -1};
    StrBuf s;
    str_init(&s, a);
    ERR_TRY
    {
        int n = 0;
        for (const char *p = fn->args; *p; n++) {
            size_t len = strcspn(p, " ");
            types[n] = datetime_type(p, len);
            nulls[n] = strcmp(args[n], "\\N") == 0;
            any_null = any_null || nulls[n];
            values[n] = nulls[n] ? 0 : type_ops(types[n])->in(&c, args[n], strlen(args[n]), 0, -1);
            p += len + (p[len] == ' ');
        }
        c.nargs = n;
        c.ret_type = datetime_type(fn->ret, strlen(fn->ret));
        const TypeOps *ret = type_ops(c.ret_type);
        bool isnull = any_null && (fn->flags & FN_STRICT);
        if (fn->kind == FNKIND_SET)
            eval_set(&c, fn, values, ret, &s);
        else {
            Datum d = isnull ? 0 : fn->scalar(&c, values, &isnull);
            if (isnull)
                str_add(&s, "\\N");
            else
                ret->out(&c, d, &s);
        }
    }
    ERR_CATCH
    {
        return error_text(a);
    }
    ERR_END;
    return s.data ? s.data : "";
}

#endif
