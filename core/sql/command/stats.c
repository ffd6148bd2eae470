/*
 * Column statistics from a random sample: null fraction, width, number of distinct values (Haas and Stokes'
 * Duj1 estimator, as PostgreSQL uses it), most common values, an equal-depth histogram of the rest, and
 * the correlation of value order with physical order.
 */
#include "core/sql/command/stats.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/interrupt.h"
#include "core/sql/plan/plan.h"

#define KIND_MCV 1
#define KIND_HISTOGRAM 2
#define KIND_CORRELATION 3
#define WIDTH_MAX 1024 /* longer values are counted, not kept */

typedef struct Sample { Datum v; int pos; } Sample; /* pos: order in the table */
typedef struct Track { int count, first; } Track;   /* a group of equal values: its size, index of the first */

typedef struct ColumnResult {
    bool valid;
    double null_fraction, distinct, correlation;
    int width;
    Datum *mcv; double *mcv_freq; int nmcv;
    Datum *histogram; int nhistogram;
    bool has_correlation;
} ColumnResult;

/* qsort has no argument for its comparison. */
static const TypeOps *sort_ops;
static Oid sort_collation;

static int
compare_samples(const void *x, const void *y)
{
    const Sample *a = x, *b = y;
    int c = sort_ops->cmp(a->v, b->v, sort_collation);
    return c ? c : a->pos - b->pos;
}

static int
compare_tracks(const void *x, const void *y)
{
    const Track *a = x, *b = y;
    return b->count != a->count ? b->count - a->count : a->first - b->first;
}

static double
estimate_distinct(double rows, double total, double d, double f1, int toowide)
{
    if (f1 == 0 && toowide == 0)
        return d; /* every value was seen more than once: that is all of them */
    if (d == rows && toowide == 0)
        return -1; /* all different: grows with the table */
    double numer = rows * d, denom = (rows - f1) + f1 * rows / total;
    double est = floor(numer / denom + 0.5);
    if (est < d)
        est = d;
    if (est > total)
        est = total;
    return est;
}

/* PostgreSQL 15 keeps a value as common if it is clearly more frequent than the average of the others. */
static int
common_count(const Track *t, int n, double rows, double total, double distinct, double null_fraction, int target)
{
    int keep = MIN(n, target);
    if (keep == 0)
        return 0;
    double sample_total = rows;
    if (sample_total >= total || total <= 1)
        return keep;
    double sum = 0;
    for (int i = 0; i < keep; i++)
        sum += t[i].count;
    while (keep > 0) {
        double selectivity = 1 - sum / sample_total - null_fraction;
        selectivity = selectivity < 0 ? 0 : selectivity > 1 ? 1 : selectivity;
        double others = distinct - (keep - 1);
        if (others > 1)
            selectivity = (selectivity + t[keep - 1].count / sample_total) / others;
        /* hypergeometric spread of the count a value of average frequency would show */
        double N = total, K = N * selectivity, variance = sample_total * (K / N) * (1 - K / N) * (N - sample_total) / (N - 1);
        double stddev = sqrt(MAX(0.0, variance));
        if (t[keep - 1].count > selectivity * sample_total + 2 * stddev + 0.5)
            break;
        sum -= t[--keep].count;
    }
    return keep;
}

static void
build_histogram(Arena *a, ColumnResult *r, const Sample *s, int n, const Track *common, int ncommon, int target, const TypeOps *ops)
{
    /* the values outside of the common groups, still sorted */
    Datum *rest = ARENA_ARRAY(a, Datum, n + 1);
    bool *skip = ARENA_ARRAY(a, bool, n + 1);
    int m = 0, distinct = 0;
    for (int i = 0; i < ncommon; i++)
        for (int k = 0; k < common[i].count; k++)
            skip[common[i].first + k] = true;
    for (int i = 0; i < n; i++) {
        if (skip[i])
            continue;
        if (m == 0 || ops->cmp(rest[m - 1], s[i].v, sort_collation) != 0)
            distinct++;
        rest[m++] = s[i].v;
    }
    int bins = MIN(distinct, target + 1);
    if (bins < 2)
        return;
    r->histogram = ARENA_ARRAY(a, Datum, bins);
    for (int i = 0; i < bins; i++)
        r->histogram[i] = rest[(int64_t)i * (m - 1) / (bins - 1)];
    r->nhistogram = bins;
}

static double
correlation_of(const Sample *s, int n)
{
    double sum_xy = 0, x_sum = (double)(n - 1) * n / 2, x2_sum = (double)(n - 1) * n * (2.0 * n - 1) / 6;
    for (int i = 0; i < n; i++)
        sum_xy += (double)i * s[i].pos;
    double denom = n * x2_sum - x_sum * x_sum;
    return denom != 0 ? (n * sum_xy - x_sum * x_sum) / denom : 0;
}

static ColumnResult
column_result(Arena *a, RelDesc *rel, int attnum, Tuple **rows, int nrows, double total, int target)
{
    ColumnResult r = {.valid = true};
    const ColDesc *c = &rel->cols[attnum - 1];
    const TypeOps *ops = type_info(type_base(c->type, NULL))->ops;
    Sample *s = ARENA_ARRAY(a, Sample, nrows + 1);
    int n = 0, nulls = 0, toowide = 0;
    double bytes = 0;

    for (int i = 0; i < nrows; i++) {
        bool isnull;
        Datum d = tuple_get(rel->heap.layout, rows[i]->bytes, rows[i]->size, attnum, &isnull);
        if (isnull) {
            nulls++;
            continue;
        }
        if (ops->len < 0) {
            const char *p = datum_ptr(d);
            if (var_is_external(p) || (!var_is_short(p) && var_is_compressed(p)) || var_size(p) > WIDTH_MAX) {
                toowide++;
                bytes += var_is_external(p) ? 18 : var_size(p);
                continue;
            }
            bytes += var_size(p);
        }
        s[n] = (Sample){d, n};
        n++;
    }
    if (nrows == 0) {
        r.valid = false;
        return r;
    }
    r.null_fraction = (double)nulls / nrows;
    int nonnull = n + toowide;
    r.width = ops->len > 0 ? ops->len : nonnull ? (int)(bytes / nonnull) : 0;
    if (nonnull == 0)
        return r;
    if (ops->cmp == NULL || n == 0 || c->type == ANYARRAY_OID || type_sort_ops(c->type).lt == 0) { /* arrays compare only if their elements do */
        r.distinct = toowide ? -1 * (1 - r.null_fraction) : 0;
        return r;
    }
    sort_ops = ops;
    sort_collation = c->collation;
    qsort(s, (size_t)n, sizeof *s, compare_samples);
    Track *t = ARENA_ARRAY(a, Track, n + 1);
    int groups = 0, multiple = 0;
    for (int i = 0; i < n;) {
        int k = i + 1;
        while (k < n && ops->cmp(s[k].v, s[i].v, c->collation) == 0)
            k++;
        t[groups++] = (Track){k - i, i};
        multiple += k - i > 1;
        i = k;
    }
    double f1 = groups - multiple + toowide;
    double d = estimate_distinct(nonnull, MAX(1.0, total * (1 - r.null_fraction)), groups + toowide, f1, toowide);
    double absolute = d < 0 ? total : d;
    if (d > 0 && d > 0.1 * total)
        d = -(d / total);
    else if (d == -1)
        d = -(1 - r.null_fraction);
    r.distinct = d;
    if (multiple > 0 || (groups <= target && toowide == 0 && nonnull == nrows)) {
        Track *candidates = ARENA_ARRAY(a, Track, groups + 1);
        int nc = 0;
        bool all = groups <= target && toowide == 0 && d > 0 && multiple == groups;
        for (int i = 0; i < groups; i++)
            if (t[i].count > 1 || all)
                candidates[nc++] = t[i];
        qsort(candidates, (size_t)nc, sizeof *candidates, compare_tracks);
        int keep = all ? nc : common_count(candidates, nc, nrows, total, absolute, r.null_fraction, target);
        r.mcv = ARENA_ARRAY(a, Datum, keep + 1);
        r.mcv_freq = ARENA_ARRAY(a, double, keep + 1);
        r.nmcv = keep;
        for (int i = 0; i < keep; i++) {
            r.mcv[i] = s[candidates[i].first].v;
            r.mcv_freq[i] = (double)candidates[i].count / nrows;
        }
        build_histogram(a, &r, s, n, candidates, keep, target, ops);
    } else
        build_histogram(a, &r, s, n, NULL, 0, target, ops);
    if (n > 1) {
        r.has_correlation = true;
        r.correlation = correlation_of(s, n);
    }
    return r;
}

/* ---- pg_statistic ---- */

static void
set_slot(Datum *v, bool *nulls, int slot, int kind, Oid op, Oid collation, Datum numbers, Datum values)
{
    v[PG_STATISTIC_STAKIND1 - 1 + slot] = int16_datum((int16_t)kind);
    v[PG_STATISTIC_STAOP1 - 1 + slot] = oid_datum(op);
    v[PG_STATISTIC_STACOLL1 - 1 + slot] = oid_datum(collation);
    if (numbers) {
        v[PG_STATISTIC_STANUMBERS1 - 1 + slot] = numbers;
        nulls[PG_STATISTIC_STANUMBERS1 - 1 + slot] = false;
    }
    if (values) {
        v[PG_STATISTIC_STAVALUES1 - 1 + slot] = values;
        nulls[PG_STATISTIC_STAVALUES1 - 1 + slot] = false;
    }
}

static void
write_row(Arena *a, RelDesc *rel, int attnum, const ColumnResult *r)
{
    const ColDesc *c = &rel->cols[attnum - 1];
    Oid base = type_base(c->type, NULL);
    Datum v[CAT_MAX_COLUMNS] = {0};
    bool nulls[CAT_MAX_COLUMNS] = {false};
    TypeSortOps ops = type_sort_ops(c->type);
    int slot = 0;

    v[PG_STATISTIC_STARELID - 1] = oid_datum(rel->oid);
    v[PG_STATISTIC_STAATTNUM - 1] = int16_datum((int16_t)attnum);
    v[PG_STATISTIC_STAINHERIT - 1] = bool_datum(false);
    v[PG_STATISTIC_STANULLFRAC - 1] = float4_datum((float)r->null_fraction);
    v[PG_STATISTIC_STAWIDTH - 1] = int32_datum(r->width);
    v[PG_STATISTIC_STADISTINCT - 1] = float4_datum((float)r->distinct);
    for (int i = 0; i < 5; i++) {
        v[PG_STATISTIC_STAKIND1 - 1 + i] = int16_datum(0);
        nulls[PG_STATISTIC_STANUMBERS1 - 1 + i] = true;
        nulls[PG_STATISTIC_STAVALUES1 - 1 + i] = true;
    }
    if (r->nmcv > 0) {
        Datum *freq = ARENA_ARRAY(a, Datum, r->nmcv);
        for (int i = 0; i < r->nmcv; i++)
            freq[i] = float4_datum((float)r->mcv_freq[i]);
        set_slot(v, nulls, slot++, KIND_MCV, ops.eq, c->collation, array_construct_1d(a, FLOAT4_OID, freq, NULL, r->nmcv),
                 array_construct_1d(a, base, r->mcv, NULL, r->nmcv));
    }
    if (r->nhistogram > 0)
        set_slot(v, nulls, slot++, KIND_HISTOGRAM, ops.lt, c->collation, 0, array_construct_1d(a, base, r->histogram, NULL, r->nhistogram));
    if (r->has_correlation) {
        Datum corr = float4_datum((float)r->correlation);
        set_slot(v, nulls, slot++, KIND_CORRELATION, ops.lt, c->collation, array_construct_1d(a, FLOAT4_OID, &corr, NULL, 1), 0);
    }
    const CatRow *old = cat_get(IDX_PG_STATISTIC_RELID_ATT_INH_INDEX, oid_datum(rel->oid), int16_datum((int16_t)attnum), bool_datum(false), 0);
    if (old)
        cat_update(CAT_PG_STATISTIC, old->tid, v, nulls);
    else
        cat_insert(CAT_PG_STATISTIC, v, nulls);
}

static bool
wanted(const List *columns, const char *name)
{
    if (columns == NULL)
        return true;
    for (int i = 0; i < columns->count; i++)
        if (strcmp(columns->items[i], name) == 0)
            return true;
    return false;
}

void
stats_analyze(Arena *parent, RelDesc *rel, const List *columns, bool verbose, bool autovacuum)
{
    for (int i = 0; i < list_count(columns); i++)
        if (rel_attnum(rel, columns->items[i]) <= 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", (char *)columns->items[i], rel->name);
    if (verbose)
        REPORT(LEVEL_INFO, SQLSTATE_SUCCESS, err_message("analyzing \"%s.%s\"", rel->nsp_name, rel->name));
    Arena *a = arena_create(parent, "analyze");
    Tuple *rows;
    double live = 0, dead = 0;
    int want = 300 * default_statistics_target;
    proc_progress_begin(PROGRESS_ANALYZE, rel->oid);
    proc_progress_set(0, 1); /* acquiring sample rows */
    int n = heap_sample(a, &rel->heap, snapshot_latest(), want, &rows, &live, &dead);
    proc_progress_set(0, 3); /* computing statistics */
    Tuple **list = ARENA_ARRAY(a, Tuple *, n + 1);
    for (int i = 0; i < n; i++)
        list[i] = &rows[i];
    for (int att = 1; att <= rel->natts; att++) {
        const ColDesc *c = &rel->cols[att - 1];
        if (c->dropped || !wanted(columns, c->name) || type_info(type_base(c->type, NULL))->ops == NULL)
            continue;
        CHECK_INTERRUPTS();
        Arena *col = arena_create(a, "column statistics");
        ColumnResult r = column_result(col, rel, att, list, n, MAX(live, (double)n), default_statistics_target);
        if (r.valid)
            write_row(col, rel, att, &r);
        arena_destroy(col);
    }
    proc_progress_set(0, 5); /* finalizing */
    txn_command_increment();
    rel_update_stats(rel->oid, live, (int)heap_blocks(&rel->heap), rel->relallvisible);
    stats_report_analyze(&rel->heap.stats, rel->heap.db, rel->oid, (int64_t)live, (int64_t)dead, columns == NULL, autovacuum);
    if (verbose)
        REPORT(LEVEL_INFO, SQLSTATE_SUCCESS,
               err_message("\"%s\": scanned %u of %u pages, containing %.0f live rows and %.0f dead rows; %d rows in sample, %.0f estimated total rows", rel->name,
                           (unsigned)heap_blocks(&rel->heap), (unsigned)heap_blocks(&rel->heap), live, dead, n, live));
    arena_destroy(a);
    proc_progress_end();
}
