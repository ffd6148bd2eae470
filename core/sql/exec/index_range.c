/*
 * Index conditions to ranges of encoded keys. Keys compare as bytes, so a range is two byte strings: the
 * encoding of the equality columns, followed by a bound on the next column where there is one. A column
 * with a bound on one side only must not run into the nulls at the other side: there the range ends at
 * the encoding of a null.
 */
#include "core/sql/exec/index_range.h"

#include <stdlib.h>

/* Of the next column only one such condition can be used; ranges and IS NOT NULL combine. */
static bool
is_exact(int strategy)
{
    return strategy == 3 || strategy == 6 || strategy == 7;
}

void
ranges_init(IndexRanges *r, ExecNode *n, const IndexScanPlan *p)
{
    r->n = n;
    r->plan = p;
    r->arena = arena_create(n->x->arena, "index keys");
    r->nconds = list_count(p->conds);
    r->conds = ARENA_ARRAY(n->x->arena, RangeCond, r->nconds + 1);
    r->need_recheck = p->recheck && (int)p->s.p.tag != PLAN_BITMAP_SCAN;
    for (int i = 0; i < r->nconds; i++) {
        const IndexCond *c = list_at(p->conds, i);
        RangeCond *rc = &r->conds[i];
        rc->column = c->column;
        rc->strategy = c->strategy;
        if (c->value) {
            rc->value = expr_compile(&n->env, c->value);
            rc->type = c->value->type;
            if (c->strategy == 6)
                rc->type = type_element_of(type_base(c->value->type, NULL));
        }
        for (int j = 0; j < i; j++)
            if (r->conds[j].column == c->column &&
                (is_exact(r->conds[j].strategy) || is_exact(c->strategy)))
                r->need_recheck = true;
    }
    r->recheck = expr_compile_quals(&n->env, p->orig_conds);
}

void
ranges_open(IndexRanges *r, bool want_entries)
{
    int eq = 0;

    r->ix = index_open(r->plan->index, LOCK_ACCESS_SHARE);
    r->scan = btree_scan_begin(r->n->x->run, r->ix->btree, want_entries);
    if (UNLIKELY(exec_snapshot(r->n->x)->serializable))
        btree_scan_track(r->scan);
    for (int i = 0; i < r->nconds; i++)
        eq += r->conds[i].strategy == 3 && r->conds[i].column == eq;
    r->single = r->ix->unique && eq == r->ix->nkeys;
    r->started = r->done = false;
}

void
ranges_restart(IndexRanges *r)
{
    r->started = r->done = false;
}

void
ranges_close(IndexRanges *r)
{
    if (r->scan && !r->n->x->aborting)
        btree_scan_end(r->scan);
    r->scan = NULL;
}

/* text against name, and the reverse: to the column's form. False: no value of the column equals it. */
static bool
fit_value(IndexRanges *r, int column, Oid type, Datum *d)
{
    Oid want = r->ix->btree->columns[column].type;

    if (want == NAME_OID && type != NAME_OID) {
        char *name = arena_alloc0(r->arena, NAME_BYTES);
        uint32_t n = var_len(*d);
        bool fits = n < NAME_BYTES;
        memcpy(name, var_data(*d), MIN(n, NAME_BYTES - 1));
        *d = ptr_datum(name);
        return fits;
    }
    if (type == NAME_OID && want != NAME_OID)
        *d = var_make(r->arena, datum_ptr(*d), strnlen(datum_ptr(*d), NAME_BYTES));
    return true;
}

typedef struct ArraySort { const BtreeKeyColumn *col; bool backward; } ArraySort;

static int
compare_values(const void *a, const void *b, void *arg)
{
    const ArraySort *s = arg;
    int c = s->col->ops->cmp(*(const Datum *)a, *(const Datum *)b, s->col->collation);

    return s->col->desc != s->backward ? -c : c;
}

/* An array's elements, sorted as the scan goes, once each. */
static void
array_values(IndexRanges *r, const RangeCond *c, Datum array, RangeColumn *out)
{
    ArraySort s = {&r->ix->btree->columns[c->column], r->plan->backward};
    Datum *values;
    bool *nulls;
    int count, n = 0;

    array_deconstruct(r->arena, array, &values, &nulls, &count);
    for (int i = 0; i < count; i++) {
        Datum d = values[i];
        if ((nulls && nulls[i]) || !fit_value(r, c->column, c->type, &d))
            continue;
        values[n++] = d;
    }
    qsort_r(values, (size_t)n, sizeof(Datum), compare_values, &s);
    int k = 0;
    for (int i = 0; i < n; i++)
        if (k == 0 || compare_values(&values[k - 1], &values[i], &s) != 0)
            values[k++] = values[i];
    out->values = values;
    out->n = k;
}

/* Evaluates the equality columns; false: nothing can match. */
static bool
equality_columns(IndexRanges *r)
{
    r->neq = 0;
    for (int i = 0; i < r->nconds; i++) {
        const RangeCond *c = &r->conds[i];
        RangeColumn *col = &r->cols[r->neq];
        bool isnull = false;

        if (c->column != r->neq || (c->strategy != 3 && c->strategy != 6 && c->strategy != 7))
            continue;
        *col = (RangeColumn){.n = 1};
        if (c->strategy == 7) {
            col->is_null = true;
            col->values = arena_alloc0(r->arena, sizeof(Datum));
        } else {
            Datum d = prim_value(c->value, &isnull);
            if (isnull)
                return false;
            if (c->strategy == 6) {
                array_values(r, c, d, col);
            } else {
                if (!fit_value(r, c->column, c->type, &d))
                    return false;
                col->values = arena_alloc(r->arena, sizeof(Datum));
                col->values[0] = d;
            }
        }
        if (col->n == 0)
            return false;
        r->neq++;
    }
    return true;
}

/* The encoding of the equality columns, and of d (or null) for the next one. */
static void
encode(IndexRanges *r, StrBuf *out, bool with_next, Datum d, bool isnull)
{
    Datum values[MAX_INDEX_KEYS];
    bool nulls[MAX_INDEX_KEYS], any;

    for (int i = 0; i < r->neq; i++) {
        values[i] = r->cols[i].values[r->cols[i].at];
        nulls[i] = r->cols[i].is_null;
    }
    if (with_next) {
        values[r->neq] = d;
        nulls[r->neq] = isnull;
    }
    str_reset(out);
    btree_encode(r->ix->btree, values, nulls, r->neq + with_next, out, &any);
}

static void
tighten(StrBuf *have, BtreeBound *b, const StrBuf *key, bool inclusive, bool is_lower)
{
    if (b->given) {
        int c = memcmp(key->data, have->data, MIN(key->len, have->len));
        if (c == 0)
            c = (key->len > have->len) - (key->len < have->len);
        if (c == 0) {
            b->inclusive &= inclusive;
            return;
        }
        if ((c > 0) != is_lower)
            return;
    }
    str_reset(have);
    str_add_bytes(have, key->data, key->len);
    *b = (BtreeBound){.inclusive = inclusive, .given = true};
}

/* Sets the scan to the current combination of equality values. False: a bound is null. */
static bool
set_range(IndexRanges *r)
{
    BtreeBound lower = {.given = false}, upper = {.given = false};
    const BtreeKeyColumn *next = r->neq < r->ix->nkeys ? &r->ix->btree->columns[r->neq] : NULL;
    bool any = false;

    for (int i = 0; i < r->nconds; i++) {
        const RangeCond *c = &r->conds[i];
        bool isnull;
        if (c->column == r->neq && c->strategy == 8)
            any = true; /* the bounds below leave nulls out */
        if (c->column != r->neq || c->strategy == 3 || c->strategy > 5)
            continue;
        Datum d = prim_value(c->value, &isnull);
        if (isnull)
            return false;
        if (!fit_value(r, c->column, c->type, &d))
            r->need_recheck = true;
        encode(r, &r->tmp, true, d, false);
        bool is_lower = (c->strategy > 3) != next->desc;
        bool inclusive = c->strategy == 2 || c->strategy == 4 || r->need_recheck;
        tighten(is_lower ? &r->lower : &r->upper, is_lower ? &lower : &upper, &r->tmp, inclusive,
                is_lower);
        any = true;
    }
    if (any && !lower.given && next->nulls_first) {
        encode(r, &r->lower, true, 0, true);
        lower = (BtreeBound){.given = true, .inclusive = false};
    }
    if (any && !upper.given && !next->nulls_first) {
        encode(r, &r->upper, true, 0, true);
        upper = (BtreeBound){.given = true, .inclusive = false};
    }
    if (r->neq > 0 && !lower.given) {
        encode(r, &r->lower, false, 0, false);
        lower = (BtreeBound){.given = true, .inclusive = true};
    }
    if (r->neq > 0 && !upper.given) {
        if (any) {
            encode(r, &r->upper, false, 0, false);
        } else {
            str_reset(&r->upper);
            str_add_bytes(&r->upper, r->lower.data, r->lower.len);
        }
        upper = (BtreeBound){.given = true, .inclusive = true};
    }
    lower.key = r->lower.data;
    lower.n = r->lower.len;
    upper.key = r->upper.data;
    upper.n = r->upper.len;
    btree_scan_set(r->scan, lower, upper, r->plan->backward);
    return true;
}

/* The next combination: the last column turns fastest. */
static bool
next_combination(IndexRanges *r)
{
    for (int i = r->neq - 1; i >= 0; i--) {
        if (++r->cols[i].at < r->cols[i].n)
            return true;
        r->cols[i].at = 0;
    }
    return false;
}

static void
start(IndexRanges *r)
{
    arena_reset(r->arena);
    str_init(&r->lower, r->arena);
    str_init(&r->upper, r->arena);
    str_init(&r->tmp, r->arena);
    r->started = true;
    if (!equality_columns(r) || !set_range(r))
        r->done = true;
}

int
ranges_next(IndexRanges *r, ItemPtr *tids, int max, const char **entries, uint16_t *entry_bytes)
{
    if (!r->started)
        start(r);
    while (!r->done) {
        int n = btree_scan_next(r->scan, tids, max, entries, entry_bytes);
        if (n > 0)
            return n;
        if (!next_combination(r) || !set_range(r))
            r->done = true;
    }
    return 0;
}
