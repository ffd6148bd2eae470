/*
 * Rows of set-returning functions: gathered in an arena below the call site's, handed out one by one.
 */
#include "core/catalog/fn_util.h"

FnRows *
fn_rows_begin(FnCtx *c, int ncols)
{
    Arena *a;
    FnRows *r;

    if (c->state)
        return NULL;
    a = arena_create(c->state_arena, "function rows");
    r = ARENA_NEW(a, FnRows);
    r->arena = a;
    r->ncols = ncols;
    c->state = r;
    return r;
}

void
fn_rows_add(FnRows *r, Datum **values, bool **nulls)
{
    if (r->n == r->cap) {
        size_t was = (size_t)r->cap * (size_t)r->ncols, now = was ? was * 2 : 16 * (size_t)r->ncols;

        r->values = arena_realloc(r->arena, r->values, sizeof(Datum) * was, sizeof(Datum) * now);
        r->nulls = arena_realloc(r->arena, r->nulls, was, now);
        r->cap = (int)(now / (size_t)r->ncols);
    }
    *values = &r->values[(size_t)r->n * (size_t)r->ncols];
    *nulls = &r->nulls[(size_t)r->n * (size_t)r->ncols];
    memset(*values, 0, sizeof(Datum) * (size_t)r->ncols);
    memset(*nulls, true, (size_t)r->ncols);
    r->n++;
}

bool
fn_rows_next(FnCtx *c, Datum *out, bool *outnull)
{
    FnRows *r = c->state;

    if (r->pos == r->n)
        return false; /* the rows handed out last may be in use: the caller empties state_arena */
    memcpy(out, &r->values[(size_t)r->pos * (size_t)r->ncols], sizeof(Datum) * (size_t)r->ncols);
    memcpy(outnull, &r->nulls[(size_t)r->pos * (size_t)r->ncols], (size_t)r->ncols);
    r->pos++;
    return true;
}
