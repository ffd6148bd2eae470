/*
 * Frames: for each row of the partition the rows [start, end) its functions look at, less what EXCLUDE
 * takes out. Frame edges never move backward from row to row, so RANGE edges are found by moving on.
 */
#include "core/sql/exec/window.h"

static int64_t
clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* ---- offsets ---- */

static Datum
offset_value(WindowNode *w, Prim *p, const char *which)
{
    bool isnull;
    Datum d = prim_value(p, &isnull);

    if (isnull)
        RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "frame %s offset must not be null", which);
    if (w->options & (FRAME_ROWS | FRAME_GROUPS))
        if (datum_int64(d) < 0)
            RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE,
                  "frame %s offset must not be negative", which);
    return d;
}

/* RANGE: a negative distance makes no sense. */
static void
require_not_negative(Oid type, Datum d)
{
    bool negative = false;

    switch (type) {
    case INT2_OID: case INT4_OID: case INT8_OID: negative = (int64_t)d < 0; break;
    case FLOAT8_OID: negative = !(datum_float8(d) >= 0); break;
    case FLOAT4_OID: negative = !(datum_float4(d) >= 0); break;
    default: {
        const TypeOps *ops = type_ops(type);
        FnCtx c = {
            .arena = txn_arena(), .state_arena = txn_arena(), .ret_type = type, .ret_typmod = -1};
        if (ops && ops->cmp && ops->in && (type == NUMERIC_OID || type == INTERVAL_OID))
            negative = ops->cmp(d, ops->in(&c, "0", 1, 0, -1), 0) < 0;
        break;
    }
    }
    if (negative)
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE,
              "invalid preceding or following size in window function");
}

void
window_offsets(WindowNode *w)
{
    if (w->offsets_known)
        return;
    w->offsets_known = true;
    for (int i = 0; i < 2; i++) {
        Prim *p = i ? w->end_offset : w->start_offset;
        RangeBound *b = i ? w->range_end : w->range_start;
        if (p == NULL)
            continue;
        Datum d = offset_value(w, p, i ? "ending" : "starting");
        if (b) {
            require_not_negative(i ? w->end_type : w->start_type, d);
            b->offset_lane = d;
        } else if (i) {
            w->end = datum_int64(d);
        } else {
            w->start = datum_int64(d);
        }
    }
}

/* ---- RANGE with offsets ---- */

static RangeBound *
range_bound(WindowNode *w, bool is_start, bool preceding, Oid offset_type)
{
    ExprEnv *env = &w->arg_env;
    RangeBound *b = ARENA_NEW(env->state, RangeBound);
    /* towards smaller values: preceding in ascending order, following in descending */
    const char *name = preceding != w->order_desc ? "-" : "+";
    Oid op = op_lookup_exact(name, w->order_type, offset_type);
    int strategy;

    if (op == 0)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED,
              "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and "
              "offset type %s",
              type_format(env->state, w->order_type, -1, false),
              type_format(env->state, offset_type, -1, false));
    const OpInfo *info = op_info(op);
    b->offset_vec = (Vec){.v = &b->offset_lane, .is_const = true};
    b->offset = &b->offset_vec;
    Prim *alias[2] = {prim_alias(env, &b->value), prim_alias(env, &b->offset)};
    Oid types[2] = {w->order_type, offset_type};
    b->bound = compile_call_prims(env, info->fn, 0, alias, types, 2, info->ret, -1, false);
    /* The start moves on over rows before the bound; the end over rows up to and with it. */
    strategy = is_start ? (w->order_desc ? 5 : 1) : (w->order_desc ? 4 : 2);
    op = op_for_strategy(w->order_type, info->ret, strategy);
    if (op == 0)
        UNSUPPORTED("RANGE with offset is not supported for column type %s",
                    type_format(env->state, w->order_type, -1, false));
    const FnDef *def = fn_info(op_info(op)->fn)->builtin;
    b->before = def->scalar;
    static const bool no_nulls[2];
    b->ctx = (FnCtx){.arena = env->arena,
                     .state_arena = env->state,
                     .argnull = no_nulls,
                     .nargs = 2,
                     .fn_oid = def->oid,
                     .collation = w->order_collation,
                     .ret_type = BOOL_OID,
                     .ret_typmod = -1,
                     .arg_types = types};
    return b;
}

void
window_range_init(WindowNode *w)
{
    int o = w->options;

    if (!(o & FRAME_RANGE))
        return;
    if (o & (FRAME_START_OFFSET_PRECEDING | FRAME_START_OFFSET_FOLLOWING))
        w->range_start =
            range_bound(w, true, (o & FRAME_START_OFFSET_PRECEDING) != 0, w->start_type);
    if (o & (FRAME_END_OFFSET_PRECEDING | FRAME_END_OFFSET_FOLLOWING))
        w->range_end = range_bound(w, false, (o & FRAME_END_OFFSET_PRECEDING) != 0, w->end_type);
}

static Datum
order_value(const WindowNode *w, int64_t i, bool *isnull)
{
    const Row *r = w->rows[i];

    *isnull = row_null(r, w->order_cols[0]);
    return row_lanes(&w->shape, r)[w->order_cols[0]];
}

/* One edge for all rows. */
static void
range_edge(WindowNode *w, RangeBound *b, int64_t *out)
{
    int64_t first = 0, last = w->nrows, at;
    bool isnull;
    const Vec *v;

    /* rows with a null stand together at one end: their frame is their group */
    while (first < last && (order_value(w, first, &isnull), isnull))
        first++;
    while (last > first && (order_value(w, last - 1, &isnull), isnull))
        last--;
    at = first;
    for (int64_t i = 0; i < w->nrows; i++) {
        Datum d = order_value(w, i, &isnull);
        int64_t g = w->group_of[i];
        if (isnull) {
            out[i] = b == w->range_start ? w->group_start[g] : w->group_start[g + 1];
            continue;
        }
        Datum lane = d;
        Vec one = {.v = &lane, .is_const = true};
        b->value = &one;
        v = prim_eval(b->bound, 1, NULL);
        Datum args[2] = {0, v->v[0]};
        for (; at < last; at++) {
            bool n = false;
            args[0] = order_value(w, at, &isnull);
            if (!b->before(&b->ctx, args, &n))
                break;
        }
        out[i] = at;
        if ((i & 1023) == 0)
            CHECK_INTERRUPTS();
    }
}

/* ---- all frames of the partition ---- */

void
window_frames(WindowNode *w)
{
    int64_t n = w->nrows;
    int o = w->options;

    if (w->frame_start)
        return;
    window_offsets(w);
    w->frame_start = arena_alloc(w->part_arena, sizeof(int64_t) * (size_t)(n + 1));
    w->frame_end = arena_alloc(w->part_arena, sizeof(int64_t) * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++) {
        int64_t g = w->group_of[i], s = 0, e = n;
        if (o & FRAME_ROWS) {
            if (o & FRAME_START_CURRENT_ROW)
                s = i;
            else if (o & FRAME_START_OFFSET_PRECEDING)
                s = w->start > i ? 0 : i - w->start;
            else if (o & FRAME_START_OFFSET_FOLLOWING)
                s = w->start > n - i ? n : i + w->start;
            if (o & FRAME_END_CURRENT_ROW)
                e = i + 1;
            else if (o & FRAME_END_OFFSET_PRECEDING)
                e = w->end > i ? 0 : i - w->end + 1;
            else if (o & FRAME_END_OFFSET_FOLLOWING)
                e = w->end >= n - i ? n : i + w->end + 1;
        } else if (o & FRAME_GROUPS) {
            int64_t ng = w->ngroups;
            if (o & FRAME_START_CURRENT_ROW)
                s = w->group_start[g];
            else if (o & FRAME_START_OFFSET_PRECEDING)
                s = w->group_start[w->start > g ? 0 : g - w->start];
            else if (o & FRAME_START_OFFSET_FOLLOWING)
                s = w->group_start[w->start > ng - g ? ng : g + w->start];
            if (o & FRAME_END_CURRENT_ROW)
                e = w->group_start[g + 1];
            else if (o & FRAME_END_OFFSET_PRECEDING)
                e = w->end > g ? 0 : w->group_start[g - w->end + 1];
            else if (o & FRAME_END_OFFSET_FOLLOWING)
                e = w->end >= ng - g ? n : w->group_start[g + w->end + 1];
        } else {
            if (o & FRAME_START_CURRENT_ROW)
                s = w->group_start[g];
            if (o & FRAME_END_CURRENT_ROW)
                e = w->group_start[g + 1];
        }
        w->frame_start[i] = s;
        w->frame_end[i] = e;
    }
    if (w->range_start)
        range_edge(w, w->range_start, w->frame_start);
    if (w->range_end)
        range_edge(w, w->range_end, w->frame_end);
    for (int64_t i = 0; i < n; i++) {
        w->frame_start[i] = clamp(w->frame_start[i], 0, n);
        w->frame_end[i] = clamp(w->frame_end[i], w->frame_start[i], n);
    }
}

int
window_ranges(const WindowNode *w, int64_t i, int64_t from[3], int64_t to[3])
{
    int64_t s = w->frame_start[i], e = w->frame_end[i], g = w->group_of[i];
    int64_t xs, xe; /* taken out */
    int n = 0;

    if (!(w->options & FRAME_EXCLUSION)) {
        from[0] = s;
        to[0] = e;
        return e > s;
    }
    if (w->options & FRAME_EXCLUDE_CURRENT_ROW) {
        xs = i;
        xe = i + 1;
    } else {
        xs = w->group_start[g];
        xe = w->group_start[g + 1];
    }
    if (s < MIN(xs, e)) {
        from[n] = s;
        to[n++] = MIN(xs, e);
    }
    if ((w->options & FRAME_EXCLUDE_TIES) && i >= s && i < e) {
        from[n] = i;
        to[n++] = i + 1;
    }
    if (MAX(xe, s) < e) {
        from[n] = MAX(xe, s);
        to[n++] = e;
    }
    return n;
}
