/* Small helpers of the fn_*.c files: arguments by declared type, rows of set-returning functions. */
#ifndef CORE_CATALOG_FN_UTIL_H
#define CORE_CATALOG_FN_UTIL_H

#include "core/catalog/cat_internal.h"
#include "core/types/text.h"

static inline Datum
text_datum(FnCtx *c, const char *z)
{
    return var_from_cstring(c->arena, z);
}

static inline Datum
null_datum(bool *isnull)
{
    *isnull = true;
    return 0;
}

static inline char *
text_arg(FnCtx *c, Datum d)
{
    return var_to_cstring(c->arena, d);
}

static inline char *
name_arg(FnCtx *c, Datum d)
{
    Span s = name_span(d);

    return arena_strndup(c->arena, s.p, s.n);
}

/* Text or NULL. */
static inline Datum
text_or_null(FnCtx *c, const char *z, bool *isnull)
{
    return z ? text_datum(c, z) : null_datum(isnull);
}

/* Declared type of argument i of the function being called. */
static inline Oid
declared_arg(FnCtx *c, int i)
{
    return fn_info(c->fn_oid)->args[i];
}

/* A set-returning function that gathers its rows at the first call. */
typedef struct FnRows {
    Arena *arena;
    int ncols, n, cap, pos;
    Datum *values;
    bool *nulls;
} FnRows;
/* NULL: the rows are there already. Otherwise fill in what is returned with fn_rows_add. */
FnRows *fn_rows_begin(FnCtx *c, int ncols);
/* A new row, all null, to be set in the returned arrays. */
void fn_rows_add(FnRows *r, Datum **values, bool **nulls);
bool fn_rows_next(FnCtx *c, Datum *out, bool *outnull);
#define ROW_SET(i, datum) (v[i] = (datum), n[i] = false)
#define ROW_TEXT(i, z) do { const char *z_ = (z); if (z_) ROW_SET(i, var_from_cstring(rows->arena, z_)); } while (0)

#endif
