/*
 * Calling functions of core/catalog/fn_number.def by OID with arguments and results as text, for the
 * tests of the number types.
 */
#ifndef TESTS_TYPES_NUMBER_UTIL_H
#define TESTS_TYPES_NUMBER_UTIL_H

#include <stdio.h>
#include <stdlib.h>

#include "core/types/number.h"
#include "core/types/numeric.h"
#include "core/types/ops_list.h"

#define FN(oid, name, ret, args, flags, scalar) Datum scalar(FnCtx *c, const Datum *args_, bool *isnull);
#define FNB(oid, name, ret, args, flags, scalar, batch)                                              \
    Datum scalar(FnCtx *c, const Datum *args_, bool *isnull);                                        \
    int batch(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args_, Vec *out);
#define SRF(oid, name, ret, args, outs, flags, set) bool set(FnCtx *c, const Datum *args_, Datum *out, bool *outnull);
#define AGG(oid, name, ret, args, flags, agg) extern const AggImpl agg;
#include "core/catalog/fn_number.def"
#undef FN
#undef FNB
#undef SRF
#undef AGG

static const FnDef number_fns[] = {
#define FN(o, n, r, a, f, s) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .scalar = s},
#define FNB(o, n, r, a, f, s, b) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .scalar = s, .batch = b},
#define SRF(o, n, r, a, u, f, s) {.oid = o, .name = #n, .ret = r, .args = a, .outs = u, .flags = f, .kind = FNKIND_SET, .set = s},
#define AGG(o, n, r, a, f, g) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .kind = FNKIND_AGG, .agg = &g},
#include "core/catalog/fn_number.def"
#undef FN
#undef FNB
#undef SRF
#undef AGG
};

static inline const FnDef *
number_fn(Oid oid)
{
    for (size_t i = 0; i < COUNT_OF(number_fns); i++) {
        if (number_fns[i].oid == oid)
            return &number_fns[i];
    }
    fprintf(stderr, "no function %u\n", oid);
    abort();
}

static inline Oid
number_type(const char *name, size_t len)
{
    static const struct { const char *name; Oid oid; } types[] = {
        {"bool", BOOL_OID}, {"int2", INT2_OID}, {"int4", INT4_OID}, {"int8", INT8_OID}, {"float4", FLOAT4_OID},
        {"float8", FLOAT8_OID}, {"numeric", NUMERIC_OID}, {"oid", OID_OID}, {"xid", XID_OID}, {"xid8", XID8_OID},
        {"cid", CID_OID}, {"tid", TID_OID}, {"char", CHAR_OID}, {"text", TEXT_OID}, {"void", VOID_OID}};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strlen(types[i].name) == len && memcmp(types[i].name, name, len) == 0)
            return types[i].oid;
    }
    fprintf(stderr, "no type %.*s\n", (int)len, name);
    abort();
}

#define NUMBER_ARGS_MAX 5
typedef struct NumberCall {
    const FnDef *fn;
    FnCtx c;
    Oid types[NUMBER_ARGS_MAX];
    bool nulls[NUMBER_ARGS_MAX];
} NumberCall;

static inline void
number_call_init(NumberCall *k, Arena *a, Oid fn_oid)
{
    memset(k, 0, sizeof *k);
    k->fn = number_fn(fn_oid);
    const char *p = k->fn->args;
    int n = 0;
    while (*p) {
        size_t len = strcspn(p, " ");
        k->types[n++] = number_type(p, len);
        p += len + (p[len] == ' ');
    }
    k->c = (FnCtx){.arena = a, .state_arena = a, .argnull = k->nulls, .nargs = n, .fn_oid = fn_oid, .ret_typmod = -1,
                   .ret_type = number_type(k->fn->ret, strlen(k->fn->ret)), .arg_types = k->types};
}

/* The printed result, or "!22012 division by zero". */
static inline const char *
number_eval(Arena *a, Oid fn_oid, const char *const *args)
{
    NumberCall k;
    number_call_init(&k, a, fn_oid);
    const char *volatile result = NULL;
    ERR_TRY
    {
        Datum d[NUMBER_ARGS_MAX];
        for (int i = 0; i < k.c.nargs; i++)
            d[i] = type_ops(k.types[i])->in(&k.c, args[i], strlen(args[i]), 0, -1);
        bool isnull = false;
        Datum r = k.fn->scalar(&k.c, d, &isnull);
        if (isnull) {
            result = "\\N";
        } else {
            StrBuf s;
            str_init(&s, a);
            type_ops(k.c.ret_type)->out(&k.c, r, &s);
            result = s.data;
        }
    }
    ERR_CATCH
    {
        const ErrReport *e = err_current();
        result = arena_printf(a, "!%s %s", sqlstate_text(e->sqlstate), e->message);
        err_clear();
    }
    ERR_END;
    return result;
}

#endif
