/*
 * Calling a scalar function from C, outside of a plan: a call site that lives for one call.
 */
#include "core/types/fn.h"

#include "core/types/type_oids.h"

static const bool no_nulls[2] = {false, false};
static const Oid no_types[2] = {0, 0};

static Datum
call(ScalarFn fn, Arena *a, Oid collation, const Datum *args, int nargs)
{
    FnCtx c = {
        .arena = a,
        .state_arena = a,
        .argnull = no_nulls,
        .nargs = nargs,
        .collation = collation,
        .ret_typmod = -1,
        .arg_types = no_types,
    };
    bool isnull = false;
    Datum d = fn(&c, args, &isnull);
    if (UNLIKELY(isnull))
        INTERNAL_ERROR("function %p returned NULL", (void *)(uintptr_t)fn);
    return d;
}

Datum
fn_call1(ScalarFn fn, Arena *a, Oid collation, Datum x)
{
    return call(fn, a, collation, &x, 1);
}

Datum
fn_call2(ScalarFn fn, Arena *a, Oid collation, Datum x, Datum y)
{
    Datum args[2] = {x, y};
    return call(fn, a, collation, args, 2);
}
