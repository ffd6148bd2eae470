/*
 * The window functions, each over a whole partition: from argument arrays to a result array. Aggregates
 * whose frame starts where the partition does are carried on from row to row; others start anew for each
 * frame that differs from the last.
 */
#include "core/sql/exec/window.h"

enum {
    FN_ROW_NUMBER = 3100,
    FN_RANK,
    FN_DENSE_RANK,
    FN_PERCENT_RANK,
    FN_CUME_DIST,
    FN_NTILE,
    FN_LAG1,
    FN_LAG2,
    FN_LAG3,
    FN_LEAD1,
    FN_LEAD2,
    FN_LEAD3,
    FN_FIRST_VALUE,
    FN_LAST_VALUE,
    FN_NTH_VALUE
};

bool
window_needs_frame(const WinFn *f)
{
    return f->is_agg || f->oid == FN_FIRST_VALUE || f->oid == FN_LAST_VALUE ||
           f->oid == FN_NTH_VALUE;
}

static void
give(WinFn *f, int64_t i, Datum d, bool isnull)
{
    f->result[i] = d;
    f->isnull[i] = isnull;
}

/* ---- ranking ---- */

static void
ntile(WindowNode *w, WinFn *f)
{
    int64_t n = w->nrows, buckets, size, larger;

    if (f->argnull[0][0]) {
        for (int64_t i = 0; i < n; i++)
            give(f, i, 0, true);
        return;
    }
    buckets = datum_int32(f->args[0][0]);
    if (buckets <= 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_NTILE, "argument of ntile must be greater than zero");
    size = n / buckets;
    larger = n % buckets; /* so many buckets have one row more */
    for (int64_t i = 0; i < n; i++) {
        int64_t b = i < larger * (size + 1) ? i / (size + 1)
                                            : larger + (i - larger * (size + 1)) / MAX(size, 1);
        give(f, i, int32_datum((int32_t)(b + 1)), false);
    }
}

static void
rank_value(WindowNode *w, WinFn *f, int64_t i)
{
    int64_t g = w->group_of[i], n = w->nrows;

    switch (f->oid) {
    case FN_ROW_NUMBER: give(f, i, int64_datum(i + 1), false); break;
    case FN_RANK: give(f, i, int64_datum(w->group_start[g] + 1), false); break;
    case FN_DENSE_RANK: give(f, i, int64_datum(g + 1), false); break;
    case FN_PERCENT_RANK:
        give(f, i, float8_datum(n <= 1 ? 0.0 : (double)w->group_start[g] / (double)(n - 1)), false);
        break;
    default: give(f, i, float8_datum((double)w->group_start[g + 1] / (double)n), false); break;
    }
}

/* ---- other rows of the partition ---- */

static void
lag_lead(WindowNode *w, WinFn *f, bool lead)
{
    int nargs = f->call.nargs;

    for (int64_t i = 0; i < w->nrows; i++) {
        int64_t offset = 1, at;
        if (nargs > 1) {
            if (f->argnull[1][i]) {
                give(f, i, 0, true);
                continue;
            }
            offset = datum_int32(f->args[1][i]);
        }
        at = lead ? i + offset : i - offset;
        if (at >= 0 && at < w->nrows)
            give(f, i, f->args[0][at], f->argnull[0][at]);
        else if (nargs > 2)
            give(f, i, f->args[2][i], f->argnull[2][i]);
        else
            give(f, i, 0, true);
    }
}

static void
frame_value(WindowNode *w, WinFn *f, int64_t i)
{
    int64_t from[3], to[3], at = -1;
    int n = window_ranges(w, i, from, to);

    if (f->oid == FN_NTH_VALUE) {
        if (f->argnull[1][i]) {
            give(f, i, 0, true);
            return;
        }
        int64_t nth = datum_int32(f->args[1][i]);
        if (nth <= 0)
            RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_NTH_VALUE,
                  "argument of nth_value must be greater than zero");
        for (int k = 0; k < n && at < 0; k++) {
            if (nth <= to[k] - from[k])
                at = from[k] + nth - 1;
            nth -= to[k] - from[k];
        }
    } else if (n > 0) {
        at = f->oid == FN_FIRST_VALUE ? from[0] : to[n - 1] - 1;
    }
    if (at < 0)
        give(f, i, 0, true);
    else
        give(f, i, f->args[0][at], f->argnull[0][at]);
}

/* ---- aggregates ---- */

static void
step_range(WindowNode *w, WinFn *f, int64_t from, int64_t to)
{
    AggCall *c = &f->call;
    Vec slices[MAX_FN_ARGS];
    uint64_t masks[4][BATCH_ROWS / 64];
    uint16_t rows[BATCH_ROWS];

    if (c->nargs > 4)
        UNSUPPORTED("window aggregates of more than %d arguments", 4);
    for (; from < to; from += BATCH_ROWS) {
        int n = (int)MIN(to - from, (int64_t)BATCH_ROWS), k = 0;
        bool all = f->passes == NULL;
        for (int a = 0; a < c->nargs; a++) {
            slices[a] = (Vec){.v = f->args[a] + from, .nulls = masks[a]};
            for (int i = 0; f->any_null[a] && i < n; i++)
                if (f->argnull[a][from + i])
                    vec_set_null(&slices[a], i);
            c->argv[a] = &slices[a];
            all &= !(slices[a].has_nulls && c->impl->strict);
        }
        if (all) {
            agg_step(c, f->state, n, NULL);
            continue;
        }
        for (int i = 0; i < n; i++) {
            bool take = f->passes == NULL || f->passes[from + i];
            for (int a = 0; a < c->nargs && c->impl->strict; a++)
                take &= !vec_null(&slices[a], i);
            rows[k] = (uint16_t)i;
            k += take;
        }
        if (k > 0)
            agg_step(c, f->state, k, rows);
        CHECK_INTERRUPTS();
    }
}

static void
restart(WindowNode *w, WinFn *f)
{
    arena_reset(w->state_arena);
    agg_init_state(&f->call, f->state);
}

static void
final(WindowNode *w, WinFn *f, int64_t i)
{
    bool isnull;
    Datum d = agg_final(&f->call, f->state, w->arg_env.arena, &isnull);

    give(f, i, isnull ? 0 : datum_copy(w->part_arena, d, f->rbyval, f->rlen), isnull);
    if (!f->rbyval)
        arena_reset(w->arg_env.arena);
}

static void
aggregate(WindowNode *w, WinFn *f)
{
    bool exclusion = (w->options & FRAME_EXCLUSION) != 0;
    int64_t done = 0; /* carried on: rows 0..done are in the state */

    restart(w, f);
    for (int64_t i = 0; i < w->nrows; i++) {
        int64_t s = w->frame_start[i], e = w->frame_end[i];
        if (!exclusion && i > 0 && s == w->frame_start[i - 1] && e == w->frame_end[i - 1]) {
            give(f, i, f->result[i - 1], f->isnull[i - 1]);
            continue;
        }
        if (!exclusion && i > 0 && s == w->frame_start[i - 1] && e >= done && s < e) {
            step_range(w, f, MAX(done, s), e); /* the frame has only grown */
            done = e;
        } else {
            int64_t from[3], to[3];
            int n = window_ranges(w, i, from, to);
            if (i > 0)
                restart(w, f);
            for (int k = 0; k < n; k++)
                step_range(w, f, from[k], to[k]);
            done = exclusion ? 0 : e;
        }
        final(w, f, i);
    }
}

void
window_compute(WindowNode *w, WinFn *f)
{
    if (f->is_agg) {
        aggregate(w, f);
        return;
    }
    switch (f->oid) {
    case FN_NTILE:
        ntile(w, f);
        return;
    case FN_LAG1: case FN_LAG2: case FN_LAG3:
        lag_lead(w, f, false);
        return;
    case FN_LEAD1: case FN_LEAD2: case FN_LEAD3:
        lag_lead(w, f, true);
        return;
    case FN_FIRST_VALUE: case FN_LAST_VALUE: case FN_NTH_VALUE:
        for (int64_t i = 0; i < w->nrows; i++)
            frame_value(w, f, i);
        return;
    case FN_ROW_NUMBER: case FN_RANK: case FN_DENSE_RANK: case FN_PERCENT_RANK: case FN_CUME_DIST:
        for (int64_t i = 0; i < w->nrows; i++)
            rank_value(w, f, i);
        return;
    default:
        UNSUPPORTED("window function with OID %u is not implemented", f->oid);
    }
}
